# SPDX-License-Identifier: GPL-2.0
# about: a domain is saved to a file and restored, while perf counts and samples in it
# cpus: amd intel
# image: tools
# smp: 2
# linux: rootfstype=ramfs
# timeout: 400
. "${0%/*}/asleep.sh"
ROUNDS=${RIG_ROUNDS:-1}
# Instructions of the program that is interrupted: four seconds, and as long as the
# domain runs between two of many times
N=$((2000000000 + (ROUNDS - 1) * 300000000))
PERIOD=1000000
LATER=400000000

asleep <<W
# One task with its events, and a whole vCPU with its own.
perf stat -x, -o cpu1 -C 1 -e instructions -- taskset -c 1 loop $N &
perf record -q -e instructions -c $PERIOD -o perf.data -- \
	perf stat -x, -o task -e cycles,instructions -- taskset -c 0 loop $N
wait
perf stat -x, -o later -e cycles,instructions -- loop $LATER
perf report -i perf.data --stdio --no-children -g none -F sample,sym 2>/dev/null | grep -E '^ +[0-9]+' >symbols
for file in cpu1 task later; do
	grep -v '^#' \$file | grep . | sed "s/^/\$file,/"
done
sed 's/^ */symbol,/; s/ .* /,/' symbols
cat /proc/interrupts | sed -n 's/^/# /; / pmu/p'
W

toolstack
domain sleeper 200 2
check "the domain begins" says sleeper 30 "asleep soon"
sleep 2
failed=0
for round in $(seq $ROUNDS); do
	[ "$round" = 1 ] || sleep 0.3
	xl save sleeper saved || failed=$((failed + 1))
	[ "$(xl list | grep -c sleeper)" = 0 ] || failed=$((failed + 1))
	xl restore saved || failed=$((failed + 1))
done
figure rounds $ROUNDS
check "it is saved, gone, and restored" none $failed
ls -l saved | sed 's/^/# /'
check "before it had counted all" none "$(grep -c '^task' $log)"
check "it goes on to its end" says sleeper $((60 + 3 * ROUNDS)) "awake"
sed 's/^/# | /' $log

figure instructions "$(percent "$(told task instructions)" $N)" %
figure cycles "$(percent "$(told task cycles)" $((CYCLES * N)))" %
figure cpu1 "$(percent "$(told cpu1 instructions)" $N)" %
# The kernel's part of it is counted too: freezing and thawing, and a vCPU's other tasks.
near "instructions of a task, across it" "$(percent "$(told task instructions)" $N)" 101.5 1.5
near "cycles of a task, across it" "$(percent "$(told task cycles)" $((CYCLES * N)))" 101.5 1.5
near "instructions of a vCPU, across it" "$(percent "$(told cpu1 instructions)" $N)" 108 8
close_to "instructions of a task, afterwards" "$(told later instructions)" $LATER $OWN
seen=$(awk -F, '/^symbol,.*,(hot|warm|cold)\r?$/ { sum += $2 } END { print sum + 0 }' $log)
figure samples "$(percent "$seen" $((N / PERIOD)))" %
close_to "samples of a task, across it" "$seen" $((N / PERIOD)) 2
check "nothing went wrong in the domain" none "$(grep -cE 'BUG|WARNING|Oops|xen_pmu:.*(refuse|lost)' $log)"
done_testing
