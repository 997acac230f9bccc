# SPDX-License-Identifier: GPL-2.0
# about: samples with interrupts off have the right address and no false chain
# cpus: amd intel
. "${0%/*}/lib.sh"
console=/dev/hvc0
counters=/sys/kernel/debug/xen/pmu/cpu0

# counter NAME: one of those in debugfs
counter() {
	awk -v n="$1:" '$1 == n { print $2; exit }' $counters 2>/dev/null
}

# A sample every 20,000 cycles is more than perf's brake allows a slow kernel; it is not
# what this is about.
echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent

# The driver of the console hands 16 bytes at a time to Xen with interrupts off;
# Xen waits for the serial line. In mode self that is time of the hypercall.
head -c 10000 /dev/zero | tr '\0' '\r' >text
came=$(counter interrupts) late=$(counter delayed)
$perf record -q -g -e cycles -c 20000 -o perf.data -- \
	dd if=text of=$console bs=10000 >rig.out 2>&1 ||
	echo "# perf record failed: $(head -3 rig.out)"
echo
came=$(($(counter interrupts) - came)) late=$(($(counter delayed) - late))
$perf script -i perf.data -F ip,sym 2>/dev/null |
	awk 'NF { line = line (line ? " " : "") $2; next }
	     line { print line; line = "" } END { if (line) print line }' >rig.chains
$perf script -i perf.data -G -F ip,sym 2>/dev/null | awk 'NF { print $2 }' >rig.addresses
all=$(wc -l <rig.chains) alone=$(grep -vc ' ' rig.chains)
in_call=$(grep -c '^xen_hypercall' rig.addresses)
let_in=$(grep -cE '^(xen_irq_enable|xen_force_evtchn|check_events|[a-z_]*unlock_irqrestore|xen_restore_fl)' rig.addresses)
false_chain=$(grep -c ' hvc_write ' rig.chains)
echo "# $all samples: $in_call in hypercalls, $let_in where interrupts are let in, $alone have a chain of one entry"
echo "# $late of $came interrupts came late"
figure hypercall "$(percent $in_call $all)" %
figure let-in "$(percent $let_in $all)" %
figure with-chain "$(percent $false_chain $all)" %
check "samples of the hypercall" [ $in_call -ge 50 ]
check "hardly any where interrupts are let in" [ $((let_in * 50)) -le $all ]
check "no chain from there" [ $((false_chain * 50)) -le $all ]
if [ -f $counters ]; then
	check "debugfs counts them" [ "$late" -ge 50 -a "$late" -le "$came" ]
	# Some user code without frame pointers has such chains, too.
	close_to "about as many chains of one entry as came late" "$alone" "$late" 15
	check "most of these are in the hypercall" [ $(($(grep -c '^xen_hypercall[a-z_]*$' rig.chains) * 2)) -ge "$alone" ]
fi
done_testing
