# SPDX-License-Identifier: GPL-2.0
# What the cases share: TAP, figures, and reading perf's output.
# A case sources it first, and calls `done_testing` last.

tests=0
perf=${PERF:-perf}
CYCLES=2	# the rig's processor takes that many for every instruction
RIG=${RIG-}
# How much of a known program's count may be the kernel's own, in percent: to start and
# end one of 200 million instructions takes 7.x as many as 2.6 million, 6.12 one.
case $(uname -r) in
[7-9].*) OWN=2 ;;
*) OWN=1 ;;
esac
scratch=${TMPDIR:-/tmp}/rig.$$
mkdir -p "$scratch" && cd "$scratch" || exit 1

# pass NAME / fail NAME [WHY]
pass() {
	tests=$((tests + 1))
	echo "ok $tests - $1"
}

fail() {
	tests=$((tests + 1))
	echo "not ok $tests - $1"
	[ -z "${2-}" ] || echo "#   $2"
}

# skip NAME WHY
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

# none NUMBER: is it nothing at all?
none() {
	[ "$1" = 0 ]
}

# check NAME COMMAND...: passes if the command succeeds
check() {
	what=$1
	shift
	if "$@"; then pass "$what"; else fail "$what" "failed: $*"; fi
}

# figure NAME VALUE [UNIT]: a number for the table
figure() {
	echo "# figure $1 $2 ${3-}"
}

# inside NAME VALUE WANTED DISTANCE WHY: passes if it is no farther; the host is told
# how much of the distance was spent
inside() {
	spent=$(awk -v v="$2" -v w="$3" -v t="$4" 'BEGIN {
		if (v !~ /^[0-9.]+$/) exit 1
		d = v - w; if (d < 0) d = -d; if (d > t) exit 1
		printf "%.0f", (t > 0 ? 100 * d / t : 0) }') || {
		fail "$1" "$5"
		return
	}
	pass "$1"
	echo "# spent $spent % - $1"
}

# close_to NAME VALUE WANTED TOLERANCE: within TOLERANCE percent of WANTED
close_to() {
	inside "$1" "$2" "$3" "$(awk -v w="$3" -v t="$4" 'BEGIN { printf "%.3f", t * w / 100 }')" \
		"got $2, wanted $3 +-$4 %"
}

# near NAME VALUE WANTED DISTANCE: no farther than DISTANCE from WANTED
near() {
	inside "$1" "$2" "$3" "$4" "got $2, wanted $3 +-$4"
}

# snapshot LABEL: QEMU writes down what it has counted so far; on the rig only
snapshot() {
	[ -z "$RIG" ] || port "$1"
}

# known NAME VALUE COUNTER LABELS TOLERANCE: within TOLERANCE percent of what QEMU
# counted under that name, all snapshots of LABELS added up, those with a minus taken
# off. The host does it when the case has ended.
known() {
	if [ -n "$RIG" ]; then
		tests=$((tests + 1))
		echo "# known $tests - $1: $2 is $3 of $4 +-$5 %"
	else
		skip "$1" "known on the rig only"
	fi
}

# percent PART WHOLE: one decimal
percent() {
	awk -v p="$1" -v w="$2" 'BEGIN { if (w > 0) printf "%.1f", 100 * p / w; else print "nan" }'
}

# count EVENTS COMMAND...: perf stat; its result is read with `counted EVENT`
count() {
	events=$1
	shift
	$perf stat -x, -o rig.stat -e "$events" -- "$@" >rig.out 2>&1 ||
		echo "# perf stat -e $events $* failed: $(head -3 rig.out)"
}

counted() {
	awk -F, -v e="$1" '$3 == e { print $1; exit }' rig.stat
}

# The share of the time an event was on a counter, in percent
running() {
	awk -F, -v e="$1" '$3 == e { print $1 ~ /^[0-9]/ ? $5 : "nothing"; exit }' rig.stat
}

# record EVENT PERIOD COMMAND...: perf record into perf.data, and its summary;
# perf is slow to start, so the questions below are answered from the summary.
record() {
	event=$1 period=$2
	shift 2
	$perf record -q -e "$event" -c "$period" -o perf.data -- "$@" >rig.out 2>&1 ||
		echo "# perf record -e $event -c $period $* failed: $(head -3 rig.out)"
	summarise
}

# summarise [perf report arguments]: "PERCENT SAMPLES SYMBOL", greatest first
summarise() {
	$perf report --stdio --no-children -g none -F overhead,sample,sym "$@" 2>/dev/null |
		awk '/^ *[0-9.]+%/ { sub("%", "", $1); print $1, $2, $NF }' >rig.symbols
}

# summarise_program COMM: the same, of one program. perf report adds a sample to the entry
# whose keys it has, and --comm takes an entry for what its first sample was: without comm
# among the keys it may hold another program's, too.
summarise_program() {
	summarise -F overhead,sample,comm,sym --comm "$1"
}

# samples: how many there are
samples() {
	awk '{ sum += $2 } END { print sum + 0 }' rig.symbols
}

# hottest: the symbol with the greatest share
hottest() {
	awk '{ print $3; exit }' rig.symbols
}

# share SYMBOL: its part of the samples, in percent
share() {
	awk -v f="$1" '$3 == f { share = $1; exit } END { print share + 0 }' rig.symbols
}

# interrupts NAME: how often an interrupt line came, all CPUs together.
# The names of the lines are those of /proc/interrupts: pmu0, pmu1, ...
interrupts() {
	awk -v n="$1" '$NF ~ "^" n "$" { for (i = 2; i < NF; i++)
		if ($i ~ /^[0-9]+$/) sum += $i; else break } END { print sum + 0 }' /proc/interrupts
}

# pmu_messages: what the kernel's log says about a Xen PMU
pmu_messages() {
	dmesg | grep -iE 'xen.*pmu|vpmu' | grep -v rig_case
}

# general_counters: how many perf has found; 7.x calls them otherwise
general_counters() {
	dmesg | sed -nE 's/.*generic (registers|counters): *//p' | head -1
}

# toolstack: all that xl needs, running (in an image with Xen's tools)
toolstack() {
	xenstored && xen-init-dom0 >/dev/null && xenconsoled --log=guest
}

# domain NAME MEMORY VCPUS LINE...: starts NAME.cpio, the ramdisk, whose program is
# /init; LINEs go into its configuration. Linux 7.3 itself ends there on AMD, without the
# last word: it reads a register of the chipset, which no domain has.
domain() {
	printf '%s\n' "name = \"$1\"" 'kernel = "/boot/guest"' "ramdisk = \"$PWD/$1.cpio\"" \
		"memory = $2" "vcpus = $3" \
		'extra = "rdinit=/init loglevel=7 initcall_blacklist=print_s5_reset_status_mmio"' >"$1.cfg"
	name=$1
	shift 3
	printf '%s\n' "$@" >>"$name.cfg"
	xl create -q "$name.cfg"
}

# ramdisk NAME: NAME.cpio from the folder NAME, with the devices that a program expects
ramdisk() {
	mkdir -p "$1/dev"
	mknod "$1/dev/console" c 5 1
	mknod "$1/dev/null" c 1 3
	mknod "$1/dev/zero" c 1 5
	chmod +x "$1/init"
	(cd "$1" && find . | cpio -o -H newc 2>/dev/null) >"$1.cpio"
}

# guest NAME WEIGHT VCPUS COMMAND...: a domain that does nothing else, on processor 1
guest() {
	name=$1 weight=$2 vcpus=$3
	shift 3
	mkdir -p "$name/bin"
	cp /bin/busybox /usr/local/bin/loop "$name/bin"
	for applet in sh dd taskset; do
		ln -s busybox "$name/bin/$applet"
	done
	printf '#!/bin/sh\nexec %s\n' "$*" >"$name/init"
	ramdisk "$name"
	domain "$name" 64 "$vcpus" 'cpus = "1"' "cpu_weight = $weight"
}

# dom0_programs NAME: the folder NAME, for a ramdisk with dom0's own programs
dom0_programs() {
	mkdir "$1"
	(cd / && tar -c bin lib* usr/lib* usr/bin/perf usr/local/bin/loop 2>/dev/null) |
		tar -x -C "$1"
}

# says DOMAIN SECONDS TEXT: does the domain's console have it in that time?
says() {
	for second in $(seq "$2"); do
		! grep -q "$3" "/var/log/xen/console/guest-$1.log" 2>/dev/null || return 0
		sleep 1
	done
	return 1
}

# booted DOMAIN...: do they get as far as their program, within ten seconds each?
booted() {
	for name; do
		says "$name" 10 'Run /init' || return 1
	done
}

done_testing() {
	echo "1..$tests"
}
