# SPDX-License-Identifier: GPL-2.0
# about: a frequency of programs alone leaves time for them; the kernel's own code hangs
# cpus: amd intel
# kernels: ours
# smp: 2
# timeout: 120
. "${0%/*}/lib.sh"
rate=/proc/sys/kernel/perf_event_max_sample_rate

# As it is outside of the rig
echo 25 >/proc/sys/kernel/perf_cpu_time_max_percent
# It begins with a period of 1, in a kernel that is not wanted: nothing but the brake
# is between that and an interrupt behind every return from one.
for event in cycles:u instructions:u; do
	echo 100000 >$rate
	check "$event, 100000 a second: the program ends" timeout -s KILL 40 \
		$perf record -q -e $event -F 100000 -a -o perf.data -- doze 200 20000 100
	$perf script -i perf.data -F ip 2>/dev/null >rig.ips
	check "$event, 100000 a second: there are samples" [ "$(wc -l <rig.ips)" -gt 20 ]
	check "$event, 100000 a second: of programs alone" none \
		"$(grep -cE '^ *ffff[0-9a-f]{12}' rig.ips)"
	figure "$event" "$(wc -l <rig.ips)" samples
done
count instructions:u loop 200000000
close_to "a count afterwards" "$(counted instructions:u)" 200000000 $OWN
done_testing
