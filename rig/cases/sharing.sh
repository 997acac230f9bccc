# SPDX-License-Identifier: GPL-2.0
# about: two busy vCPUs on one processor, events coming and going, nothing is lost
# cpus: amd intel
# smp: 2
# xen: maxcpus=1
. "${0%/*}/lib.sh"
N=100000000
PERIOD=500000
CHAINS=2	# on each vCPU
ROUNDS=6	# in each chain
NAPS=3		# on each vCPU
LONG=600000000	# instructions of the loop beside them

# A count is kept if its program ended well.
cat >keep.sh <<'W'
file=$1
shift
perf stat -x, -o "$file.part" -e cycles,instructions -- "$@" >/dev/null 2>&1 &&
	mv "$file.part" "$file"
W
# One program after the other on a vCPU, for some time beside those of other chains
cat >chain.sh <<'W'
sleep "0.$2"
for round in $(seq "$3"); do
	sh keep.sh "loop.$1.$2.$round" taskset -c "$1" loop "$4"
done
W
cat >chains.sh <<'W'
for vcpu in 0 1; do
	for chain in $(seq "$1"); do
		sh chain.sh $vcpu "$chain" "$2" "$3" &
	done
done
wait
W
# A long loop, and beside it programs whose events come and go with their sleep
cat >naps.sh <<'W'
for vcpu in 0 1; do
	taskset -c $vcpu loop "$1" &
	for nap in $(seq "$2"); do
		sh keep.sh "doze.$vcpu.$nap" taskset -c $vcpu doze 50 1000000 20000 &
	done
done
wait
W

# part LEAST|MOST EVENT LENGTH FILE...: in percent of what was executed
part() {
	way=$1 event=$2 length=$3
	shift 3
	cat "$@" 2>/dev/null | awk -F, -v way="$way" -v e="$event" -v n="$length" '
		$3 == e { v = $1 ~ /^[0-9]/ ? 100 * $1 / n : 0
			  if (!seen++ || (way == "least" ? v < x : v > x)) x = v }
		END { printf "%.1f", x }'
}

# judge PROGRAM INSTRUCTIONS COUNTS TOLERANCE: all that PROGRAM's events counted.
# Ticks and switches of tasks cost some; and a vCPU that waits for the other one,
# which waits for the processor, spins for a slice of some 10 ms: a program that
# counted more than others had them as samples in smp_call_function_many_cond(), and
# with upstream's code it counts as many. Two slices are 20 % of the loop.
judge() {
	kept=$(ls | grep -c "^$1[.0-9]*[0-9]$")
	figure "$1-counts" "$kept" "of $3"
	check "$1: all programs ended well" [ "$kept" = "$3" ]
	for event in instructions cycles; do
		n=$2
		[ $event = instructions ] || n=$((CYCLES * n))
		least=$(part least $event "$n" "$1".*[0-9])
		most=$(part most $event "$n" "$1".*[0-9])
		figure "$1-$event-least" "$least" %
		figure "$1-$event-most" "$most" %
		near "$1: $event: no count lost anything" "$least" $((100 + $4 / 2)) $(($4 / 2 + 1))
		near "$1: $event: no count has too much" "$most" $((100 + $4 / 2)) $(($4 / 2 + 1))
	done
}

check "there are two vCPUs" [ "$(nproc)" = 2 ]
sh chains.sh $CHAINS $ROUNDS $N
judge loop $N $((2 * CHAINS * ROUNDS)) 30

# sampled NAME INSTRUCTIONS COMMAND...: everything is sampled meanwhile; the
# functions of loop are known, and how much it executes on each vCPU.
sampled() {
	name=$1 n=$2
	shift 2
	$perf record -q -a -e instructions -c $PERIOD -o perf.data -- "$@" >rig.out 2>&1
	for vcpu in 0 1; do
		summarise -C $vcpu
		seen=$(awk '$3 ~ /^(hot|warm|cold)$/ { sum += $2 } END { print sum + 0 }' rig.symbols)
		figure "$name-samples-vcpu$vcpu" "$(percent "$seen" $((n / PERIOD)))" %
		close_to "$name: samples of vCPU $vcpu, one every $PERIOD" "$seen" $((n / PERIOD)) 2
	done
}

sampled loop $((CHAINS * ROUNDS * N)) sh chains.sh $CHAINS $ROUNDS $N
sampled doze $LONG sh naps.sh $LONG $NAPS
judge doze 50000000 $((2 * NAPS)) 30
done_testing
