# SPDX-License-Identifier: GPL-2.0
# about: two runs of the same work give the same counts
# cpus: amd intel
. "${0%/*}/lib.sh"

# Ten processes with their page faults and system calls, ten times.
cat >work.sh <<'W'
for i in 0 1 2 3 4 5 6 7 8 9; do
	busybox seq 20000 | busybox sort -r | busybox tail -1
done
W
sh work.sh >/dev/null	# warm the caches
for run in 1 2; do
	count instructions,cycles sh work.sh
	for event in instructions cycles; do
		eval "$event$run=$(counted $event)"
	done
done
close_to "instructions of the second run" "$instructions2" "$instructions1" 1
close_to "cycles of the second run" "$cycles2" "$cycles1" 1
figure instructions "$(percent "$instructions2" "$instructions1")" %
figure cycles "$(percent "$cycles2" "$cycles1")" %
done_testing
