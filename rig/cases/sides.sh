# SPDX-License-Identifier: GPL-2.0
# about: samples of user or kernel mode are of that side, and of the right number
# cpus: amd intel
. "${0%/*}/lib.sh"
PERIOD=100000
cat >forks.sh <<'W'
i=0
while [ $i -lt 120 ]; do
	loop 400000
	i=$((i + 1))
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

sides cycles:uk sh forks.sh
both=$((user + kernel)) both_user=$user both_kernel=$kernel
check "the work has both sides" [ "$user" -gt 50 -a "$kernel" -gt 50 ]

sides cycles:u sh forks.sh
figure u-user "$user" samples
figure u-kernel "$kernel" samples
check "u: no sample in the kernel" none "$kernel"
close_to "u: as many samples as of both sides in user mode" "$user" "$both_user" 8
u=$user

sides cycles:k sh forks.sh
figure k-user "$user" samples
figure k-kernel "$kernel" samples
check "k: no sample in user mode" none "$user"
close_to "k: as many samples as of both sides in the kernel" "$kernel" "$both_kernel" 8
close_to "u and k together are both sides" $((u + kernel)) $both 5

N=100000000
sides instructions:u loop $N
close_to "u of a compute loop: one sample every $PERIOD" "$user" $((N / PERIOD)) 2
check "u of a compute loop: none in the kernel" none "$kernel"
sides instructions:k loop $N
check "k of a compute loop: none in user mode" none "$user"
check "k of a compute loop: next to none at all" [ "$kernel" -lt $((N / PERIOD / 20)) ]
done_testing
