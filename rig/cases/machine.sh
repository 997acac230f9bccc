# SPDX-License-Identifier: GPL-2.0
# about: the questions that people ask perf: right, refused or wrong on this processor
# cpus: all
# xens: 4.17 4.20
# run: machines
# timeout: 300
. "${0%/*}/lib.sh"
N=100000000	# instructions of the program that all questions are about
PERIOD=200000
BRANCHES=10	# one in so many is a branch

# What is held to, in every cell: an event that perf shows as running for a stretch
# of time was enabled in hardware for all of it. Anything else is an error at open,
# <not supported>, <not counted>, or a percentage below 100.
#
# So an answer is
#	right	 a number that is right, scaled if the percentage is below 100
#	refused	 perf says that it has none, one way or the other
#	wrong	 a number that is not right, such as 0 for what ran
#	-	 there is no such thing on this processor

general=${RIG_COUNTERS%+*}	# what hardware has
fixed=${RIG_COUNTERS#*+}
shown=$(general_counters)
: "${shown:=0}"
shown_fixed=$(dmesg | sed -n 's/.*fixed-purpose events: *//p' | head -1)
: "${shown_fixed:=0}"

# called: perf's name for the processor's events, in one word
called() {
	dmesg | sed -n 's/.*Performance Events: *//p' | head -1 | tr , '\n' |
		sed 's/^ *//; s/\.* *$//; s/ core perfctr$//; s/ events$//; s/ PMU driver$//' |
		grep -vE '^(PEBS|AnyThread|full-width|[0-9]+-deep|Intel$|AMD$|software)' |
		head -1 | tr ' ' - | grep . ||
		dmesg | grep -q 'AMD PMU driver' && echo AMD || echo none
}

# stat EVENTS COMMAND...: perf stat of it, or nothing in rig.stat
stat() {
	rm -f rig.stat
	count "$@"
	[ -s rig.stat ] || : >rig.stat
	sed -n '/^[^#]/s/^/# | /p' rig.stat
}

# within LOW HIGH [COUNTERS]: what the counts of the last perf stat are: "right",
# "refused" or "wrong", and the worst of it. Values are from LOW to HIGH; with
# COUNTERS no more events have run at a time than that.
within() {
	awk -F, -v low="$1" -v high="$2" -v counters="${3-0}" '
	/^#/ || NF < 5 { next }
	{ events++ }
	$1 !~ /^[0-9]/ { word = $1; next }
	{
		counted++; at += $5; said = $1 " at " $5 " %"
		if ($5 + 0 > 100 || $5 + 0 <= 0 || $1 + 0 < low || $1 + 0 > high)
			bad = said
	}
	END {
		if (bad != "") print "wrong", bad
		else if (counters && at > 101 * counters)
			print "wrong", at " % in sum"
		else if (!events) print "refused", "error at open"
		else if (!counted) print "refused", word
		else if (word != "") print "right", counted " of " events
		else if (events > 1) printf "right %d events at %.1f %% in sum\n", events, at
		else print "right", said
	}' rig.stat
}

# either: answers that are one, from standard input: wrong if one is, right if one is
either() {
	awk '{ first[$1] = first[$1] == "" ? $0 : first[$1] }
		END { print first["wrong"] != "" ? first["wrong"] :
			first["right"] != "" ? first["right"] : first["refused"] }'
}

# answer QUESTION VERDICT DETAIL...: for the table, and for who counts tests
answer() {
	question=$1 verdict=${2:-none}
	[ $# -lt 2 ] || shift
	shift
	figure "$question" "$verdict" "$*"
	case $verdict in
	right | refused | -) pass "$question is not wrong" ;;
	*) fail "$question is not wrong" "$verdict $*" ;;
	esac
}

# plain QUESTION EVENT WANTED
plain() {
	stat "$2" loop $N
	answer "$1" $(within $(($3 / 100 * 98)) $(($3 / 100 * (100 + 3 * OWN))))
}

# several NUMBER EVENT: a list for perf
several() {
	yes "$2" | head -n "$1" | tr '\n' , | sed 's/,$//'
}

# sampled EVENT PERIOD: one answer
sampled() {
	rm -f perf.data
	if ! $perf record -q -e "$1" -c "$2" -o perf.data -- loop $N >rig.out 2>&1; then
		echo "# $(head -1 rig.out)"
		echo refused error at open
		return
	fi
	# Without cycles perf takes a clock's samples instead, and does not say so.
	if ! $perf evlist -i perf.data 2>/dev/null | grep -q "$1"; then
		echo refused a clock instead
		return
	fi
	# And what it takes to start the program
	$perf script -i perf.data -F ip 2>/dev/null | awk -v w=$((N / 100 * (100 + OWN) / PERIOD)) '
		NF { n++ }
		END {
			word = "right"
			if (n * 100 < w * 98 || n * 100 > w * 102) word = "wrong"
			print word, n + 0, "of", w, "samples" }'
}

# has NAME: does the kernel offer it by name?
has() {
	ls /sys/bus/event_source/devices/cpu*/events/"$1" >/dev/null 2>&1
}

dmesg | grep -iE 'Performance Events|generic (registers|counters)|fixed-purpose|xen_pmu|vpmu' |
	grep -v rig_case | sed 's/^/# | /'
figure name "$(called)"
figure counters "$shown+$shown_fixed"

plain cycles cycles $((CYCLES * N))
plain instructions instructions $N
plain branches branches $((N / BRANCHES))

# How many there are depends on what is modelled: some, and twice as many in a
# program of twice the length.
misses() {
	stat "$1" loop $((N / 2)) >&2
	few=$(within 1 $N)
	[ "${few%% *}" = right ] || { echo "$few"; return; }
	short=$(awk -F, '/^[0-9]/ { print $1; exit }' rig.stat)
	stat "$1" loop $N >&2
	within $((short * 190 / 100)) $((short * 210 / 100))
}
for event in branch-misses cache-misses; do
	answer $event $(misses $event 2>rig.said)
	grep '^# |' rig.said
done

# A group of as many events as there are counters that can count them, and twice
# as many that are no group
both=$((shown + (shown_fixed > 0)))
[ "$shown" -gt 0 ] || both=4
stat "{$(several $both instructions)}" loop $N
answer group $(within $((N / 100 * 98)) $((N / 100 * (100 + 2 * OWN))))
stat "$(several $((2 * both)) instructions)" loop $((2 * N))
answer more $(within $((N / 100 * 194)) $((N / 100 * (200 + 6 * OWN))) $((general + (fixed > 0))))

answer sampling $({
	sampled instructions $PERIOD
	sampled cycles $((CYCLES * PERIOD))
} | grep -v '^#' | either)

# Slots have a counter of their own, the fourth fixed one, and so have shares of them
# (r8000 and its neighbours). Elsewhere there are none: 0 is right, and no answer.
# parts LEAST EVENT...: of all that the kernel has by name
parts() {
	least=$1
	shift
	[ "$fixed" -ge 4 ] || least=0
	for event; do
		named=${event##*,} named=${named%\}}
		[ "${named#r}" != "$named" ] || has "$named" || continue
		stat "$event" loop $N >&2
		within $least $((20 * N))
	done >rig.answers 2>rig.said
	grep '^# |' rig.said
	verdict=$(either <rig.answers)
	[ "$fixed" -ge 4 ] || [ "${verdict%% *}" = wrong ] || verdict="- $verdict"
}
parts $N r0400 slots
answer slots $verdict
parts $((N / 10)) r8000 topdown-retiring '{slots,topdown-retiring}'
answer topdown $verdict

# By number it is the same on all of them: instructions
plain raw r00c0 $N

# :G is what guests do, and those are none of dom0's.
stat cycles:G,instructions:G loop $N
answer guest $(within 0 0)
done_testing
