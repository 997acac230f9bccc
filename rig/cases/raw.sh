# SPDX-License-Identifier: GPL-2.0
# about: raw tools on /dev/cpu/0/msr, alone and beside perf, as on bare metal
# cpus: amd intel
. "${0%/*}/lib.sh"
N=100000000

case $RIG_CPU in
amd)
	select=0xc0010002 counter=0xc0010006
	registers="0xc0010000 0xc0010001 0xc0010002 0xc0010003 0xc0010004 0xc0010005 0xc0010006 0xc0010007"
	;;
*)
	select=0x188 counter=0xc3
	registers="0x186 0x187 0x188 0x189 0xc1 0xc2 0xc3 0xc4 0x309 0x30a 0x30b 0x38d 0x38f"
	;;
esac

# by_hand: the instructions of a program, from a counter that perf does not know of
by_hand() {
	msr $select 0x4100c0 >/dev/null
	[ "$RIG_CPU" = amd ] || msr 0x38f 0x70000000f >/dev/null
	msr $counter 0 >/dev/null
	loop $N >/dev/null
	msr $counter 0
	msr $select 0 >/dev/null
}

got=$(by_hand)
figure by-hand "$(percent "$got" $N)" %
close_to "a counter that is set up by hand counts" "$got" $N 4
count instructions:u loop $N
close_to "perf after it" "$(counted instructions:u)" $N $OWN

# All registers read and written back beside perf: what is counted in between is lost.
while :; do
	for register in $registers; do
		msr $register >/dev/null 2>&1
	done
done &
tool=$!
count '{instructions:u,r00c0:u,cycles:u}' loop $((4 * N))
kill $tool
figure beside "$(percent "$(counted instructions:u)" $((4 * N)))" %
# Two programs on one processor: perf's own leaves with its counters, as ever.
near "perf beside it" "$(percent "$(counted instructions:u)" $((4 * N)))" 100 5
check "all of the time" [ "$(running instructions:u)" = 100.00 ]
count '{instructions:u,r00c0:u}' loop $N
close_to "and when it is gone" "$(counted instructions:u)" $N $OWN
record instructions:u 100000 loop $N
close_to "samples, too" "$(samples)" $((N / 100000)) 3
done_testing
