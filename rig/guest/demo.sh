# SPDX-License-Identifier: GPL-2.0
# The demonstration's part in dom0: perf counts and samples a program that does
# some real work. Prints "demo KEY VALUE..." lines for the host to draw.
. /cases/lib.sh
work="words /proc/kallsyms"
# Every new process has Xen look at its page tables.
many='words /proc/kallsyms; for i in $(seq 50); do words /proc/version; done'
xensyms=--guestkallsyms=/proc/xen/xensyms

echo "demo xen $(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)$(cat /sys/hypervisor/version/extra)"
echo "demo linux $(uname -r)"
echo "demo cpu $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
echo "demo pmu $(dmesg | sed -n 's/.*Performance Events: //p' | head -1)"
echo "demo counters $(dmesg | sed -n 's/.*generic registers: *\([0-9]*\).*/\1/p' | head -1)"
echo "demo work $work"
port 1
came=$(interrupts 'pmu[0-9]+')
events=cycles,instructions,task-clock,page-faults,context-switches
count $events $work
for event in cycles instructions task-clock page-faults context-switches; do
	echo "demo stat $event $(counted $event)"
done
record cycles 400000 $work
echo "demo samples $(samples)"
$perf report --stdio --no-children -g none -F overhead,sym 2>/dev/null |
	awk '/^ *[0-9.]+%/ { sub("%", "", $1); print "demo hot", $1, $2, $3 }' | head -12
echo "demo virqs $(($(interrupts 'pmu[0-9]+') - came))"
port 2

echo hv >/sys/hypervisor/pmu/pmu_mode
echo "demo many $many"
$perf kvm --host --guest $xensyms -o perf.data record -q -a -g -e cycles -c 300007 -- sh -c "$many" >rig.out 2>&1 ||
	echo "# perf kvm record failed: $(head -3 rig.out)"
$perf script -i perf.data $xensyms --no-inline -F comm,tid,misc,ip,sym 2>/dev/null |
	awk -f /cases/fold.awk | sed 's/^/demo stack /'
echo "demo end"
