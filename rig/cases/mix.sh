# SPDX-License-Identifier: GPL-2.0
# about: random mixes of events: what runs was counted, all of it
# cpus: amd intel icelake alder
# xens: 4.17 4.20
# smp: 2
# linux: rig_seed=SEEDS
# xen: dom0_vcpus_pin
# timeout: 600
. "${0%/*}/lib.sh"
ROUNDS=25

label=1
rm -f asked
for seed in $(echo "${RIG_SEED:-1}" | tr + ' '); do
	mix "$seed" $ROUNDS $label >mix.out 2>&1
	check "seed $seed: it ends" [ "$(grep -c '^known' mix.out)" = 1 ]
	grep -E '^(broken|mix)' mix.out | sed 's/^/# /'
	sed -n 's/^rule //p' mix.out >rules
	while read -r rule word held word broken; do
		if [ "$broken" = 0 ]; then
			pass "seed $seed: $rule"
		else
			fail "seed $seed: $rule" "held $held times, broken $broken times: $(
				sed -n "s/^broken $rule: //p" mix.out | head -1)"
		fi
		[ "$held" = 0 ] || echo "$rule" >>asked
		figure "$rule" "$broken" "of $((held + broken)) broken"
	done <rules
	# What QEMU knows to the instruction; its numbers are the tests' from here on.
	grep '^# known' mix.out | sed "s/^# known [0-9]* - /&seed $seed /" >truths
	while read -r line; do
		tests=$((tests + 1))
		echo "$line" | sed "s/known [0-9]*/known $tests/"
	done <truths
	label=$((label + 1000))
done
# A seed may have no pinned event, say; all of them together have everything.
while read -r rule word held word broken; do
	check "$rule: there was something to judge" grep -qx "$rule" asked
done <rules
done_testing
