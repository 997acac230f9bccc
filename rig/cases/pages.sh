# SPDX-License-Identifier: GPL-2.0
# about: page sizes and physical addresses of samples in Xen: nothing is looked up in the guest's tables
# cpus: amd intel
. "${0%/*}/lib.sh"
mode=/sys/hypervisor/pmu/pmu_mode
names=--guestkallsyms=/proc/xen/xensyms
CALLS=60000
PERIOD=400009

# sized: "PAGE-SIZE ADDRESS" of each sample of the last recording
sized() {
	$perf script -i perf.data $names -F ip,code_page_size 2>/dev/null |
		awk '{ ip = size = ""; for (i = 1; i <= NF; i++)
			if ($i ~ /^[0-9a-f]+$/ && length($i) > 4) ip = $i; else size = $i
		       print size, ip }' >rig.sizes
}

echo hv >$mode
$perf record -q -a -e cycles -c $PERIOD --code-page-size --data-page-size -d --phys-data \
	-o perf.data -- hyper $CALLS >rig.out 2>&1 ||
	echo "# perf record failed: $(head -3 rig.out)"
sized
sort rig.sizes | cut -c1-12 | uniq -c | sort -rn | head | sed 's/^/#   /'
xen=$(grep -cE ' ffff8[0-7][0-9a-f]*$' rig.sizes)
figure in-xen "$xen" samples
check "samples in Xen" [ "$xen" -ge 100 ]
check "their pages are nobody's" [ "$(grep -cE '^(N/A|0) ffff8[0-7][0-9a-f]*$' rig.sizes)" = "$xen" ]
own=$(grep -cE ' (ffffffff8|[0-9a-f]{1,12}$)' rig.sizes)
check "samples of the guest" [ "$own" -ge 100 ]
done_testing
