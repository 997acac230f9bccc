# SPDX-License-Identifier: GPL-2.0
# about: events of cgroups, on two CPUs; the drivers of other PMUs find none, and say nothing
# kernel: lockup
# kernels: ours
# cpus: amd intel
# smp: 2
. "${0%/*}/lib.sh"
N=100000000
PERIOD=200003
groups=/sys/fs/cgroup
mount -t cgroup -o perf_event none $groups
mkdir -p $groups/one/inner $groups/two
for name in one inner two; do
	cp "$(command -v loop)" "./$name"
done

# in_group GROUP COMMAND...
in_group() {
	sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$groups/$@"
}

# Programs of all groups, taking turns on the CPUs. What the kernel and Xen do for each is two
# percent of it: a tick of one program is no part of another.
work() {
	in_group one ./one $N &
	programs=$!
	in_group one/inner ./inner $N &
	programs="$programs $!"
	in_group two ./two $((2 * N)) &
	wait $programs $!
}

# beside_work PERF-COMMAND...: counts or samples while they run
beside_work() {
	"$@" -- sleep 3600 >rig.out 2>&1 &
	counting=$!
	sleep 1
	work
	kill -INT $counting
	wait $counting
}

# of GROUP EVENT FIELD: what perf stat says of an event of a cgroup
of() {
	awk -F, -v g="$1" -v e="$2" -v f="$3" '$3 == e && $4 == g { print $f; exit }' rig.stat
}

# counted_for WHAT GROUP WANTED
counted_for() {
	close_to "$1: its programs' instructions" "$(of "$2" instructions 1)" "$3" $((OWN + 2))
	check "$1: counted all the time" [ "$(of "$2" instructions 6)" = 100.00 ]
}

beside_work $perf stat -a -x, -o rig.stat -e '{instructions,branches}' \
	--for-each-cgroup one,one/inner,two
sed 's/^/# /' rig.stat
counted_for "a group and the one in it" one $((2 * N))
counted_for "the one in it" one/inner $N
counted_for "another" two $((2 * N))

# Only programs of the group have samples, and all of theirs.
beside_work $perf record -q -a -e instructions -c $PERIOD -G one -o perf.data
$perf script -F comm 2>/dev/null | awk '{ n[$1]++ } END { for (c in n) print c, n[c] }' >rig.comms
sed 's/^/# samples of /' rig.comms
for name in one inner; do
	close_to "samples of $name" "$(awk -v c=$name '$1 == c { print $2 }' rig.comms)" \
		$((N / PERIOD)) $((OWN + 3))
done
check "samples of no other program" [ "$(awk '$1 != "one" && $1 != "inner" && $1 != "sh"' rig.comms | wc -l)" = 0 ]

# Their processors' other PMUs are Xen's.
ls /sys/bus/event_source/devices | tr '\n' ' ' | sed 's/^/# PMUs: /'
echo
check "no PMU of an uncore, of power or of sleep states" \
	eval '! ls /sys/bus/event_source/devices | grep -qE "uncore|power|cstate|^amd_"'
done_testing
