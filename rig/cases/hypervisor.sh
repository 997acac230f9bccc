# SPDX-License-Identifier: GPL-2.0
# about: samples in the hypervisor are never user code, and have Xen's names
# cpus: amd intel
. "${0%/*}/lib.sh"
mode=/sys/hypervisor/pmu/pmu_mode
names=--guestkallsyms=/proc/xen/xensyms
CALLS=60000
# A prime: the program's loop is a period too, and one must drift past the other.
PERIOD=400009

# sampled PERF-RECORD-ARGUMENTS...: one line a sample in rig.samples:
# event, whose (K, U, G: kernel, user, guest), address, symbol.
sampled() {
	$perf kvm --host --guest $names -o perf.data record -q -a "$@" >rig.out 2>&1 ||
		echo "# perf kvm record $* failed: $(head -3 rig.out)"
	listed
}

# listed: what was recorded, so.
listed() {
	$perf script -i perf.data $names -F misc,event,ip,sym 2>/dev/null |
		awk '{ for (i = 1; i <= NF; i++) if ($i ~ /:$/) break
		       print $i, $1, $(i + 1), $(i + 2) }' >rig.samples
}

# in_xen EVENT [WHOSE [SYMBOL]]: how many samples have an address of Xen's
in_xen() {
	grep -cE "^$1:? ${2-.+} ffff8[0-7][0-9a-f]* ${3-.}" rig.samples
}

echo hv >$mode
sampled -e cycles -c $PERIOD -- hyper $CALLS
xen=$(in_xen cycles) all=$(wc -l <rig.samples)
echo "# $xen of $all samples are in Xen"
figure in-xen "$(percent $xen $all)" %
figure as-user "$(percent "$(in_xen cycles U)" $xen)" %
figure named "$(percent "$(in_xen cycles .+ '[^[]')" $xen)" %
check "hv: samples in Xen" [ $xen -ge 100 ]
check "hv: none of them counts as user code" none "$(in_xen cycles U)"
check "hv: all of them are a guest's to perf" [ "$(in_xen cycles G)" = $xen ]
check "hv: all of them have a symbol of Xen's" none "$(in_xen cycles .+ '\[unknown')"
check "hv: nothing else is a guest's" [ "$(grep -cE '^[^ ]+ [Gg] ' rig.samples)" = $xen ]
check "hv: the hypercall is among them" grep -q ' pv_hypercall' rig.samples
$perf kvm --host --guest $names -i perf.data report --stdio --sort sym 2>/dev/null |
	grep '%' | head -4 | sed 's/^/#   /'

# perf record by itself excludes guests; Xen's samples are no less Xen's.
$perf record -q -a -e cycles -c $PERIOD -o perf.data -- hyper $CALLS >rig.out 2>&1
listed
check "hv, plain record: samples in Xen" [ "$(in_xen cycles)" -ge 100 ]
check "hv, plain record: all of them are a guest's to perf" \
	[ "$(in_xen cycles G)" = "$(in_xen cycles)" ]

# With call graphs: what led to a sample of Xen is not known, the sample is.
sampled -g -e cycles -c $PERIOD -- hyper $CALLS
$perf script -i perf.data $names -F misc,ip,sym 2>/dev/null |
	awk '/^[^ \t]/ { whose = $1; n = 0; next }
	     NF { n++; name = $2; next }
	     whose == "G" { print n, name }' >rig.chains
check "hv, -g: samples in Xen" [ "$(wc -l <rig.chains)" -ge 100 ]
check "hv, -g: each has a chain of one entry, with a symbol of Xen's" none "$(grep -vc '^1 [^[]' rig.chains)"

# Software events on the same CPU, while pages of samples in Xen lie around.
sampled -e cycles -c $PERIOD -e cpu-clock -- hyper $CALLS
check "hv: samples of cpu-clock" [ "$(grep -c ^cpu-clock rig.samples)" -ge 100 ]
check "hv: none of them is a guest's" none "$(grep -cE '^cpu-clock:? [Gg] ' rig.samples)"
figure cpu-clock-guest "$(grep -cE '^cpu-clock:? [Gg] ' rig.samples)"

if [ -d /sys/kernel/tracing/events/xen/xen_pmu_sample ]; then
	# Both in one recording, and as a group: they begin and end as one. But an overflow
	# while perf stops the first of them is no sample any more, and is still traced.
	sampled -c $PERIOD -e '{cycles,xen:xen_pmu_sample}' -- hyper $CALLS
	$perf script -i perf.data 2>/dev/null | grep -o 'domain=.* mode=.*' >rig.trace
	traced=$(grep -c 'domain=32754 .* ip=0xffff8[0-7].*mode=hypervisor' rig.trace)
	check "trace: samples in Xen" [ $traced -ge 100 ]
	check "trace: hypervisor is where the address is Xen's" \
		[ "$(grep -c mode=hypervisor rig.trace)" = $traced -a \
		  "$(grep -c 'ip=0xffff8[0-7]' rig.trace)" = $traced ]
	near "trace: as many in Xen as perf has" $traced "$(in_xen cycles)" 2
	near "trace: as many in all" "$(wc -l <rig.trace)" "$(grep -c ^cycles rig.samples)" 2
	$perf report -i perf.data --no-group --stdio -s domain,mode 2>/dev/null |
		awk '/xen_pmu_sample/ { on = 1 } on && /%/' >rig.shares
	sed 's/^/#   /' rig.shares
	close_to "trace: perf report gives the share of each domain" \
		"$(awk '$2 == 32754 { sub("%", "", $1); print $1 }' rig.shares)" \
		"$(percent $traced "$(wc -l <rig.trace)")" 1
fi

echo self >$mode
sampled -e cycles -c $PERIOD -- hyper $CALLS
check "self: samples" [ "$(wc -l <rig.samples)" -ge 100 ]
check "self: none of them is in Xen" none "$(in_xen cycles)"
check "self: none of them is a guest's" none "$(grep -cE '^[^ ]+ [Gg] ' rig.samples)"
# While Xen passes from user to kernel mode, its mode is already the latter.
check "self: no program's address is called the kernel's" none \
	"$(grep -cE ' K [0-9a-f]{1,12} ' rig.samples)"
figure self-user-address-as-kernel "$(percent "$(grep -cE ' K [0-9a-f]{1,12} ' rig.samples)" "$(wc -l <rig.samples)")" %
done_testing
