# SPDX-License-Identifier: GPL-2.0
# about: a CPU goes and comes back while perf samples all of them
# cpus: amd intel
# smp: 2
. "${0%/*}/lib.sh"
online=/sys/devices/system/cpu/cpu1/online
ROUNDS=5

# sampled CPU: how many samples of perf.data are that CPU's
sampled() {
	summarise -C "$1"
	samples
}

# system_wide COMMAND...: perf record of all CPUs while the command runs
system_wide() {
	$perf record -q -a -e cycles -c 1000000 -o perf.data -- "$@" >rig.out 2>&1
}

cat >both.sh <<'W'
taskset -c 1 loop 100000000 &
taskset -c 0 loop 100000000
wait
W
cat >storm.sh <<'W'
loop 400000000 &
i=0
while [ $i -lt $2 ]; do
	echo 0 >$1 && echo 1 >$1 || echo "round $i failed"
	i=$((i + 1))
done
wait
W

check "perf record of both CPUs" system_wide sh both.sh
a=$(sampled 1)
check "CPU 1 has samples at first" [ "$a" -gt 50 ]
check "perf record survives $ROUNDS rounds of CPU 1 going and coming" system_wide sh storm.sh $online $ROUNDS
check "every round went well" none "$(grep -c failed rig.out)"
check "CPU 0 has samples meanwhile" [ "$(sampled 0)" -gt 50 ]
check "CPU 1 is back" [ "$(cat $online)" = 1 ]
check "perf record of both CPUs afterwards" system_wide sh both.sh
b=$(sampled 1)
close_to "CPU 1 has as many samples as at first" "$b" "$a" 5
figure before "$a" samples
figure after "$b" samples
count instructions taskset -c 1 loop 600000000
close_to "instructions on CPU 1 afterwards" "$(counted instructions)" 600000000 $OWN
done_testing
