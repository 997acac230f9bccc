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
	for hz in 100000 4000; do
		name="$event, $hz a second"
		echo 100000 >$rate
		check "$name: the program ends" timeout -s KILL 40 \
			$perf record -q -e $event -F $hz -a -o perf.data -- doze 500 20000 100
		$perf script -i perf.data -F ip 2>/dev/null >rig.ips
		check "$name: all are of programs" none "$(grep -cE '^ *ffff[0-9a-f]{12}' rig.ips)"
		figure "$event-$hz" "$(wc -l <rig.ips)" samples
	done
	# What may take all of the time that samples may take has none left for programs.
	check "$name: there are samples" [ "$(wc -l <rig.ips)" -gt 20 ]
done
count instructions:u loop 200000000
close_to "a count afterwards" "$(counted instructions:u)" 200000000 $OWN
done_testing
