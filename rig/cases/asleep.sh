# SPDX-License-Identifier: GPL-2.0
# What the cases share in which a domain, sleeper, is saved and restored.
. "${0%/*}/lib.sh"
N=4000000000	# instructions of the program: eight seconds
SHORT=2000000
log=/var/log/xen/console/guest-sleeper.log

# asleep: the ramdisk of the domain, which does what is on standard input between two words
asleep() {
	dom0_programs sleeper
	cat >sleeper/body
	cat >sleeper/init <<'W'
#!/bin/sh
export PATH=/usr/local/bin:/usr/bin:/bin HOME=/ PERF_PAGER=cat
mkdir -p /proc /sys /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
cd /tmp
echo "asleep soon"
. /body
dmesg | grep -iE 'xen_pmu|vpmu' | sed 's/^/# /'
echo "awake"
while :; do sleep 1000; done
W
	ramdisk sleeper
	rm -r sleeper
}

# sleeper: a domain that counts one long program, and many short ones meanwhile
sleeper() {
	asleep <<W
perf stat --no-scale -x, -o task -e instructions -e instructions:D -- loop $N &
job=\$!
while kill -0 \$job 2>/dev/null; do
	perf stat -x, -o short -e instructions -- loop $SHORT
	sed -n 's/^\\([^#].*\\)/short,\\1/p' short
	sleep 0.3
done
sed -n 's/^\\([^#].*\\)/task,\\1/p' task
W
}

# told FILE EVENT [FIELD]: of what a perf stat in the domain said; 2, if none is named, is the
# count, 5 the time that it ran, in nanoseconds, 6 the share of its time in percent
told() {
	awk -F, -v file="$1" -v e="$2" -v f="${3:-2}" \
		'$1 == file && $4 == e { print $f; exit }' $log | tr -d '\r'
}

# shorts: the counts of the short programs that are numbers, and those that are none; not
# that of one in the middle of which the domain was saved, which perf says is a part
shorts() {
	awk -F, '$1 == "short" && $6 == "100.00" { print $2 }' $log | tr -d '\r'
}

# right_or_none: what the domain said of its short programs has no number that is wrong
right_or_none() {
	check "no short program has a wrong number" none "$(shorts | grep -v '^<not' |
		awk -v n=$SHORT -v own=$OWN '$1 < n || $1 > (0.7 + 0.9 * own) * n { bad++ } END { print bad + 0 }')"
	check "nothing went wrong in the domain" none "$(grep -cE 'BUG|WARNING|Oops' $log)"
}

# counted_in_part EVENT SHARE DISTANCE: perf says that it counted that share of the long
# program, in percent, and that is what it counted
counted_in_part() {
	share=$(told task "$1" 6)
	figure "$1-share" "$share" %
	near "$1: perf says how much of it was counted" "$share" "$2" "$3"
	# perf rounds the share; the time that it is of is exact, and each instruction takes 2 ns.
	close_to "$1: what it says was counted was" "$(told task "$1")" \
		"$(told task "$1" 5 | awk '{ printf "%.0f", $1 / 2 }')" 6
}
