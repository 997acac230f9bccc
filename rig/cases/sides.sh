# SPDX-License-Identifier: GPL-2.0
# about: samples of user or kernel mode are of that side, and of the right number
# cpus: amd intel
. "${0%/*}/lib.sh"
PERIOD=49999
# Long turns on each side, so that no loop of a few thousand instructions and the
# period keep step.
cat >work.sh <<'W'
for turn in 1 2 3 4 5; do
	loop 10000000
	dd if=/dev/zero of=/dev/null bs=4k count=3000
done
W

# sides EVENT COMMAND...: sets $user and $kernel, numbers of samples
sides() {
	event=$1
	shift
	$perf record -q -e "$event" -c $PERIOD -o perf.data -- "$@" >rig.out 2>&1 ||
		echo "# perf record -e $event $* failed: $(head -3 rig.out)"
	$perf script -i perf.data -F ip 2>/dev/null |
		awk 'NF { if ($1 ~ /^ffff/) k++; else u++ } END { print u + 0, k + 0 }' >rig.sides
	read -r user kernel <rig.sides
	echo "# $event of $1: $user in user mode, $kernel in the kernel"
}

sides instructions:uk sh work.sh
both=$((user + kernel)) both_user=$user both_kernel=$kernel
check "the work has both sides" [ "$user" -gt 50 -a "$kernel" -gt 50 ]

sides instructions:u sh work.sh
figure u-user "$user" samples
figure u-kernel "$kernel" samples
check "u: no sample in the kernel" none "$kernel"
close_to "u: as many samples as of both sides in user mode" "$user" "$both_user" 5
u=$user

sides instructions:k sh work.sh
figure k-user "$user" samples
figure k-kernel "$kernel" samples
check "k: no sample in user mode" none "$user"
close_to "k: as many samples as of both sides in the kernel" "$kernel" "$both_kernel" 5
close_to "u and k together are both sides" $((u + kernel)) $both 5

N=50000000
sides instructions:u loop $N
close_to "u of a compute loop: one sample every $PERIOD" "$user" $((N / PERIOD)) 2
check "u of a compute loop: none in the kernel" none "$kernel"
sides instructions:k loop $N
check "k of a compute loop: none in user mode" none "$user"
check "k of a compute loop: next to none at all" [ "$kernel" -lt $((N / PERIOD / 20)) ]
done_testing
