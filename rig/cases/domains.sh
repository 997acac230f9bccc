# SPDX-License-Identifier: GPL-2.0
# about: mode all: whose every sample is, in the shares that Xen gave the domains
# cpus: amd intel
# kernels: ours
# image: tools bpftrace
# smp: 2
# xen: dom0_vcpus_pin sched_ratelimit_us=0
# linux: rootfstype=ramfs
. "${0%/*}/lib.sh"
mode=/sys/hypervisor/pmu/pmu_mode
names=--guestkallsyms=/proc/xen/xensyms
PERIOD=400000	# less than the least time that Xen lets a domain run
LENGTH=6	# seconds

# perf begins to count samples anew with a tick, and 7.3 has none on a vCPU that idles.
# Without the brake the rate cannot be set.
echo 25 >/proc/sys/kernel/perf_cpu_time_max_percent
echo 1000000 >/proc/sys/kernel/perf_event_max_sample_rate
echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent

# Processor 1 is the domains'. dom0's vCPU there does nothing but take the samples.
taskset -p 1 $$ >/dev/null

# Xen takes this mode only while it has no domain that may use a PMU.
echo all >$mode
check "mode all" [ "$(cat $mode)" = all ]
toolstack
guest one 256 1 loop 4000000000000
guest two 512 2 taskset -c 1 dd if=/dev/zero of=/dev/null bs=2M
check "two domains run" booted one two
one=$(xl domid one) two=$(xl domid two)
xl pause one
xl pause two

# The domains only run while perf records: what Xen gives them meanwhile is known.
# A group's events begin and end as one: alone, the tracepoint would end last.
cat >measure.sh <<'W'
xl vcpu-list >given.before
xl unpause one
xl unpause two
sleep "$1"
xl pause one
xl pause two
xl vcpu-list >given.after
W
$perf kvm --host --guest $names -o perf.data record -q -a -c $PERIOD \
	-e '{cycles,xen:xen_pmu_sample}' -- sh measure.sh $LENGTH >rig.out 2>&1 ||
	echo "# perf kvm record failed: $(head -3 rig.out)"

# given DOMAIN...: seconds of a processor, all their vCPUs together
given() {
	awk -v d=" $* " 'index(d, " " $1 " ") { t += FILENAME ~ /after/ ? $6 : -$6 }
		END { printf "%.1f", t }' given.before given.after
}

# "SAMPLES DOMAIN VCPU PCPU MODE", as perf knows them from the tracepoint
$perf report -i perf.data --no-group --stdio -n -s domain,vcpu,pcpu,mode 2>/dev/null |
	awk '/xen_pmu_sample/ { on = 1 } on && $1 ~ /%$/ { print $2, $3, $4, $5, $6 }' >rig.trace
sed 's/^/#   /' rig.trace

# traced 'PATTERN': the samples whose "DOMAIN VCPU PCPU MODE" is such
traced() {
	grep -E "^[0-9]+ $1\$" rig.trace | awk '{ sum += $1 } END { print sum + 0 }'
}

all_one=$(traced "$one .*") all_two=$(traced "$two .*")
share=$(percent "$all_one" $((all_one + all_two)))
wanted=$(percent "$(given one)" "$(given one two)")
figure given "$wanted" "% one's"
figure sampled "$share" "% one's"
check "samples of both domains" [ "$all_one" -ge 2000 -a "$all_two" -ge 2000 ]
near "the share of samples is that of time" "$share" "$wanted" 3
# A cycle takes a nanosecond. Counters stand still from an overflow until dom0 has seen to it.
seconds=$(awk -v n="$(traced '.* 1 [a-z]+')" -v p=$PERIOD 'BEGIN { printf "%.2f", n * p / 1e9 }')
figure time-given "$(given one two)" s
figure time-sampled "$seconds" s
close_to "samples cover that time" "$seconds" "$(given one two)" 8

check "one: all samples are of its vCPU" [ "$(traced "$one 0 .*")" = "$all_one" ]
close_to "two: samples are of the vCPU that works" "$(traced "$two 1 .*")" "$all_two" 1
check "both: all samples are of their processor" \
	[ "$(traced "($one|$two) . 1 .*")" = $((all_one + all_two)) ]
check "dom0: none of its samples is a domain's" none "$(traced "($one|$two) . 0 .*")"
close_to "one is in user mode" "$(traced "$one .*user")" "$all_one" 2
close_to "two is in kernel mode" "$(traced "$two .*kernel")" "$all_two" 2

# What perf itself keeps of it: a guest's user or kernel mode (g, G).
$perf script -i perf.data $names -F misc,event,ip 2>/dev/null | awk '$2 ~ /^cycles/ { print $1 }' >rig.misc
check "perf: programs of domains are a guest's" \
	[ "$(grep -c 'g$' rig.misc)" = "$(traced "($one|$two) .*user")" ]
check "perf: kernels of domains are a guest's, and so is Xen" \
	[ "$(grep -c 'G$' rig.misc)" = "$(traced "(($one|$two) .*kernel|.*hypervisor)")" ]
check "perf: all else is not" \
	[ "$(grep -vc '[gG]$' rig.misc)" = "$(traced "32752 .*")" ]
figure dom0 "$(percent "$(traced "32752 .*")" "$(wc -l <rig.misc)")" %
figure xen "$(percent "$(traced '.*hypervisor')" "$(wc -l <rig.misc)")" %

# Somebody who may not count Xen, on the processor that the domains have, too
chmod 777 .
echo 2 >/proc/sys/kernel/perf_event_paranoid
xl unpause one
taskset 2 user 1000 $perf record -q -e instructions:u -c $PERIOD -o user.data \
	-- loop 1000000000 >rig.out 2>&1
xl pause one
$perf script -f -i user.data $names -F misc,ip 2>/dev/null | awk '{ print $1 }' >rig.user
figure user "$(wc -l <rig.user)" samples
check "a user has samples of his own program" [ "$(grep -vc '[gG]$' rig.user)" -ge 1000 ]
check "and none of a domain's" none "$(grep -c '[gG]$' rig.user)"

# bpftrace takes types out of the kernel's BTF or headers, and this kernel has neither.
mkdir -p include/linux
cat >include/linux/types.h <<'H'
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef _Bool bool;
H
bpftrace -I include -c "sh measure.sh $LENGTH" -e "hardware:cpu-cycles:$PERIOD { }
	tracepoint:xen:xen_pmu_sample { @[args->domain] = count(); }" 2>&1 | tee rig.bpftrace |
	awk -F'[]@:[]+' '/^@/ { n[$2] = $3; all += $3 }
		END { for (d in n) printf "%6.2f%% %s\n", 100 * n[d] / all, d }' >rig.shares
sed 's/^/#   /' rig.bpftrace rig.shares

# bpftraced DOMAIN: its share of the samples
bpftraced() {
	awk -v d="$1" '$2 == d { share = $1 } END { print share + 0 }' rig.shares
}

share=$(awk -v a="$(bpftraced "$one")" -v b="$(bpftraced "$two")" 'BEGIN { printf "%.1f", 100 * a / (a + b) }')
figure bpftrace "$share" "% one's"
check "bpftrace: samples of both domains" \
	[ "$(awk '/^@/ { sum += $2 } END { print sum + 0 }' rig.bpftrace)" -ge 10000 ]
near "bpftrace: the share of samples is that of time" "$share" \
	"$(percent "$(given one)" "$(given one two)")" 3
done_testing
