# SPDX-License-Identifier: GPL-2.0
# about: eight vCPUs of dom0 on two processors, not pinned: each counts what is its own
# cpus: amd intel
# kernels: ours
# smp: 8
# xen: maxcpus=2
# timeout: 400
. "${0%/*}/lib.sh"
N=80000000
PERIOD=396269

figure vcpus "$(nproc)"
# All at once, each with a program of its own length. perf is on the program's vCPU: who
# leaves a program that was on another one before waits until that is done with its memory,
# in smp_call_function_many_cond() and for as long as Xen keeps that vCPU off.
for cpu in $(seq 0 $(($(nproc) - 1))); do
	taskset -c "$cpu" $perf stat -x, -o "stat.$cpu" -e '{instructions:u,r00c0:u}' -- \
		loop $((N + cpu * N / 4)) >/dev/null 2>&1 &
done
wait
for cpu in $(seq 0 $(($(nproc) - 1))); do
	cp "stat.$cpu" rig.stat
	close_to "CPU $cpu: its program's instructions" "$(counted instructions:u)" $((N + cpu * N / 4)) $((3 + OWN))
	check "CPU $cpu: all of the time" [ "$(running instructions:u)" = 100.00 ]
	[ "$RIG_CPU" = amd ] || check "CPU $cpu: two equal events of a group are equal" \
		[ "$(counted instructions:u)" = "$(counted r00c0:u)" ]
done

# Programs that go from one vCPU to another, twice as many as these
cat >many.sh <<'W'
for program in $(seq $((2 * $(nproc)))); do
	loop $1 &
done
wait
W
all=$((2 * $(nproc) * N))
count instructions:u sh many.sh $N
figure moving "$(percent "$(counted instructions:u)" $all)" %
# The kernel's part is counted, too: it spins for a vCPU that Xen has taken off.
near "twice as many programs that move about" "$(percent "$(counted instructions:u)" $all)" 104 4
# Not :u, of which an overflow in the kernel is no sample, and some ticks draw them there.
count instructions sh many.sh $N
record instructions $PERIOD sh many.sh $N
figure samples "$(percent "$(samples)" $(($(counted instructions) / PERIOD)))" %
close_to "their samples" "$(samples)" $(($(counted instructions) / PERIOD)) 5
$perf stat -a -x, -o rig.stat -e instructions -- sh many.sh $N >/dev/null 2>&1
figure everything "$(percent "$(counted instructions)" $all)" %
near "all vCPUs together" "$(percent "$(counted instructions)" $all)" 106 5
done_testing
