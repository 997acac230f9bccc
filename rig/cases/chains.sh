# SPDX-License-Identifier: GPL-2.0
# about: call graphs of the program, of the kernel, and with --call-graph dwarf
# cpus: amd intel
. "${0%/*}/lib.sh"
N=200000000
PERIOD=400000

# chains PERF-RECORD-ARGUMENTS...: one line a sample, the innermost function first
chains() {
	$perf record -q -o perf.data "$@" >rig.out 2>&1 ||
		echo "# perf record $* failed: $(head -3 rig.out)"
	$perf script -i perf.data --no-inline -F ip,sym 2>/dev/null |
		awk 'NF { line = line (line ? " " : "") $2; next }
		     line { print line; line = "" } END { if (line) print line }' >rig.chains
}

# right NAME PATTERN: of the chains in rig.wanted, that is what they should be
right() {
	all=$(wc -l <rig.wanted)
	good=$(grep -cE "$2" rig.wanted)
	echo "# $1: $good of $all chains are right; others, at most three kinds:"
	grep -vE "$2" rig.wanted | sort | uniq -c | sort -rn | head -3 | cut -c1-150 | sed 's/^/#     /'
	figure "$1-right" "$(percent $good $all)" %
	check "$1: enough samples" [ $all -ge 200 ]
	check "$1: 99 % of the chains are whole and right" [ $((good * 100)) -ge $((all * 99)) ]
}

# delayed: how many samples came late so far
delayed() {
	cat /sys/kernel/debug/xen/pmu/cpu* 2>/dev/null |
		awk '/^delayed:/ { sum += $2 } END { print sum + 0 }'
}

for how in fp dwarf,1024; do
	chains --call-graph $how -e cycles -c $PERIOD -- loop $N
	grep -E '^(hot|warm|cold)( |$)' rig.chains >rig.wanted
	right ${how%,*} '^[a-z]+ round_trip work main( |$)'
done

# Kernel mode: the samples that came late say where they are, and no more.
before=$(delayed)
chains -g -e cycles:k -c 200000 -- dd if=/proc/kallsyms of=/dev/null bs=4096
late=$(($(delayed) - before))
grep ' ' rig.chains >rig.wanted
alone=$(grep -vc ' ' rig.chains)
echo "# kernel: $late samples came late, $alone of $(wc -l <rig.chains) chains have one entry"
right kernel '(^| )(xen_)?(entry_SYSCALL_64|asm_|xen_asm_)'
figure kernel-one-entry "$(percent $alone "$(wc -l <rig.chains)")" %
[ ! -d /sys/kernel/debug/xen/pmu ] ||
	check "kernel: as many chains of one entry as samples that came late" [ $alone -le $late ]
done_testing
