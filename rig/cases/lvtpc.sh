# SPDX-License-Identifier: GPL-2.0
# about: PMU interrupts come while perf samples, and only then
# cpus: amd intel
. "${0%/*}/lib.sh"
N=200000000
PERIOD=500000

# came: how many interrupts there were since the last time it was asked
seen=$(interrupts 'pmu[0-9]+')
came() {
	now=$(interrupts 'pmu[0-9]+')
	came=$((now - seen))
	seen=$now
}

loop $N; came
check "none while perf was never used" none $came

record cycles $PERIOD loop $N; came
first=$(samples)
close_to "as many as there are samples" $came "$first" 2
figure interrupts $came
figure samples "$first"

loop $N; came
check "none after perf has ended" none $came

count cycles loop $N; came
check "none while perf only counts" none $came

record cycles $PERIOD loop $N; came
close_to "as many samples when perf comes back" "$(samples)" "$first" 2
done_testing
