# SPDX-License-Identifier: GPL-2.0
# The demonstration's part in dom0: perf counts and samples a program that does
# some real work. Prints "demo KEY VALUE..." lines for the host to draw.
. /cases/lib.sh
work="words /proc/kallsyms"
# Every new process has Xen look at its page tables.
some='for i in $(seq 15); do words /proc/version; done'
many='words /proc/kallsyms; for i in $(seq 50); do words /proc/version; done'
xensyms=--guestkallsyms=/proc/xen/xensyms
mode=/sys/hypervisor/pmu/pmu_mode
module=/modules/xen_pmu.ko

# answer WHAT VALUE: to one of the questions that the kernel's own code gets wrong
answer() {
	echo "demo answer $who $1 $2"
}

# asks WHO: all of them, of the kernel as it is or with the module
asks() {
	who=$1
	count instructions:h hyper 20000
	answer hypervisor "$(counted instructions:h)"
	rdpmc >rig.out 2>&1
	answer rdpmc "$(awk '$1 == "rdpmc" { print $2 }' rig.out)"
	$perf record -q -g -e cycles -c 200000 -o perf.data -- loop 50000000 >rig.out 2>&1
	answer chains "$($perf script -i perf.data --no-inline -F ip,sym 2>/dev/null | awk '
		NF { if (!first) first = $2; whole = whole || $2 == "main"; next }
		{ if (first ~ /^(hot|warm|cold)$/) { all++; right += whole }
		  first = ""; whole = 0 }
		END { printf "%.0f", all ? 100 * right / all : 0 }')"
	record cycles:u 100000 sh -c "$some"
	answer kernel "$($perf script -i perf.data -F misc 2>/dev/null |
		awk '{ all++; other += $1 !~ /^U/ } END { printf "%.0f", all ? 100 * other / all : 0 }')"
	echo hv >$mode
	$perf kvm --host --guest $xensyms -o perf.data record -q -a -e cycles -c 400009 -- \
		hyper 30000 >rig.out 2>&1
	answer user "$($perf script -i perf.data $xensyms -F misc,ip 2>/dev/null | awk '
		$2 ~ /^ffff8[0-7]/ { all++; user += $1 ~ /^U/ }
		END { printf "%.0f", all ? 100 * user / all : 0 }')"
	echo off >$mode
	count instructions loop 1000000
	answer off "$(counted instructions)"
	echo self >$mode
}

if [ -f $module ]; then
	rmmod xen_pmu
	asks stock
	insmod $module
	asks module
fi
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

echo hv >$mode
echo "demo many $many"
$perf kvm --host --guest $xensyms -o perf.data record -q -a -g -e cycles -c 300007 -- sh -c "$many" >rig.out 2>&1 ||
	echo "# perf kvm record failed: $(head -3 rig.out)"
$perf script -i perf.data $xensyms --no-inline -F comm,tid,misc,ip,sym 2>/dev/null |
	gzip | base64 | sed 's/^/demo script /'
echo "demo end"
