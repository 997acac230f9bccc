# SPDX-License-Identifier: GPL-2.0
# about: a program that sleeps now and then has all its samples
# cpus: amd intel
. "${0%/*}/lib.sh"
TURNS=100
BURST=2000000
PERIOD=100000

count instructions doze $TURNS $BURST 3000
n=$(counted instructions)
figure instructions "$(percent "$n" $((TURNS * BURST)))" %
# Going to sleep and waking up cost some.
close_to "instructions" "$n" $((TURNS * BURST / 100 * 102)) 4

record instructions $PERIOD doze $TURNS $BURST 3000
figure samples "$(percent "$(samples)" $((n / PERIOD)))" %
# Each is an interrupt, some thousand instructions that are counted, too.
near "samples, one every $PERIOD" "$(percent "$(samples)" $((n / PERIOD)))" 101 2
near "share of burst" "$(share burst)" 97 3
done_testing
