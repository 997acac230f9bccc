# SPDX-License-Identifier: GPL-2.0
# about: xen-profile --domains: each domain by its name, with its share of the time
# cpus: amd intel
# kernels: ours
# image: tools python
# smp: 2
# xen: dom0_vcpus_pin sched_ratelimit_us=0
# linux: rootfstype=ramfs
. "${0%/*}/lib.sh"
mode=/sys/hypervisor/pmu/pmu_mode
LENGTH=5	# seconds; xl says tenths of what a domain had

taskset -p 1 $$ >/dev/null
toolstack

# Xen takes mode all only while no domain has a PMU of its own.
guest busy 256 1 loop 4000000000000
check "a domain runs" booted busy
xen-profile --domains >rig.out 2>&1
status=$?
sed 's/^/# | /' rig.out
check "refusal: a domain with its own PMU" \
	[ $status = 1 -a "$(grep -c '^xen-profile: .*shut the domains down' rig.out)" = 1 ]
check "the mode is as before" [ "$(cat $mode)" = self ]
xl destroy busy

echo all >$mode
guest one 256 1 loop 4000000000000
guest two 512 2 taskset -c 1 dd if=/dev/zero of=/dev/null bs=2M
check "two domains run" booted one two
xl pause one
xl pause two
cat >measure.sh <<'W'
xl vcpu-list >given.before
xl unpause one
xl unpause two
sleep "$1"
xl pause one
xl pause two
xl vcpu-list >given.after
W
xen-profile --domains -o out.html --raw raw.txt -- sh measure.sh $LENGTH >rig.out 2>&1
status=$?
sed 's/^/# | /' rig.out
check "profiled" none $status
check "mode all stays" [ "$(cat $mode)" = all ]

# given NAME: seconds of a processor
given() {
	awk -v d="$1" '$1 == d { t += FILENAME ~ /after/ ? $6 : -$6 } END { printf "%.1f", t }' \
		given.before given.after
}

# part NAME: its share in the picture's bars
part() {
	grep -o "title=\"[0-9.]* % $1\"" out.html | tr -dc '0-9.'
}

for name in one two; do
	figure "$name" "$(part $name)" %
	near "$name: its share of the two is that of time" \
		"$(percent "$(part $name)" "$(awk -v a="$(part one)" -v b="$(part two)" 'BEGIN { print a + b }')")" \
		"$(percent "$(given $name)" "$(awk -v a="$(given one)" -v b="$(given two)" 'BEGIN { print a + b }')")" 3
done
check "dom0 and Xen are in it, by name" [ -n "$(part Domain-0)" -a -n "$(part Xen)" ]
check "no domain is unknown" none "$(grep -c 'title="[0-9.]* % other domains"' out.html)"
check "one is in user mode, two in its kernel" \
	[ "$(grep -cE ' (one, user +\[user\]|two, kernel +\[kernel\])$' rig.out)" = 2 ]
done_testing
