# SPDX-License-Identifier: GPL-2.0
# about: programs are not led to use RDPMC, which Xen does not let them
# cpus: amd intel
. "${0%/*}/lib.sh"
switch=/sys/bus/event_source/devices/cpu/rdpmc

# says NAME: what the guest program printed under it
says() {
	awk -v n="$1" '$1 == n { print $2 }' rig.out
}

rdpmc >rig.out 2>&1
status=$?
sed 's/^/# /' rig.out
figure cap_user_rdpmc "$(says cap_user_rdpmc)"
figure rdpmc "$(says rdpmc)"
check "the program ends well" [ $status = 0 ]
check "RDPMC is not advertised" [ "$(says cap_user_rdpmc)" = 0 ]
check "a program that looks does not use it" [ "$(says rdpmc)" = unused ]
close_to "what read() gives" "$(says instructions)" 10000000 1

for value in 1 2; do
	if echo $value >$switch 2>/dev/null; then
		fail "it cannot be switched on with $value" "the write succeeded"
	else
		pass "it cannot be switched on with $value"
	fi
done
check "it is off" [ "$(cat $switch)" = 0 ]
rdpmc >rig.out 2>&1
check "and still not advertised" [ "$(says cap_user_rdpmc)" = 0 ]
done_testing
