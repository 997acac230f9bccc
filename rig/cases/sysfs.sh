# SPDX-License-Identifier: GPL-2.0
# about: pmu_mode and pmu_features refuse what Xen refuses, and nothing is lost by it
# cpus: amd intel
. "${0%/*}/lib.sh"
N=100000000
sys=/sys/hypervisor/pmu

# refused FILE VALUE: an error, and the file says what it said before
refused() {
	before=$(cat "$sys/$1")
	! echo "$2" 2>/dev/null >"$sys/$1" || return 1
	[ "$(cat "$sys/$1")" = "$before" ]
}

for value in nonsense selfish se 1 ''; do
	check "pmu_mode refuses '$value'" refused pmu_mode "$value"
done
for value in nonsense 0x10 -1 0x80000000; do
	check "pmu_features refuses '$value'" refused pmu_features "$value"
done
count instructions loop $N
close_to "afterwards perf counts" "$(counted instructions)" $N $((2 * OWN))

# Only certain events from now on: Xen has that for Intel.
for mode in hv self; do
	echo $mode >$sys/pmu_mode
	count instructions loop $N
	close_to "mode $mode: instructions" "$(counted instructions)" $N $((2 * OWN))
done
if [ "$RIG_CPU" = intel ]; then
	$perf stat -x, -o before.stat -e branches,instructions -- loop $((5 * N)) &
	job=$!
	sleep 0.3
	check "pmu_features takes ipc while an event runs" eval 'echo 2 >$sys/pmu_features'
	count branches loop $N
	check "then it is refused at open" [ "$(counted branches)" = "<not supported>" ]
	wait $job
	sed 's/^/# /' before.stat
	# If Xen refuses to have it programmed again nothing is counted, and perf scales up.
	close_to "what was counted was right" \
		"$(awk -F, '$3 == "instructions" { print $1 }' before.stat)" $((5 * N)) $((2 * OWN))
	count instructions loop $N
	close_to "when it is gone others count again" "$(counted instructions)" $N $((2 * OWN))
	# A unit mask of an allowed event that is not in Xen's list
	count r02c0,r013c loop $N
	check "another unit mask of an allowed event is refused" \
		[ "$(counted r02c0)" = "<not supported>" ]
	check "an allowed one is not" [ "$(counted r013c)" -gt $N ]
	echo 0 >$sys/pmu_features
	count branches loop $N
	check "without it branches can be opened again" [ "$(counted branches | tr -d 0-9)" = "" ]
fi
done_testing
