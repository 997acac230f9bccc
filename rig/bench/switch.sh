# SPDX-License-Identifier: GPL-2.0
# What a task switch costs with n hardware events for each task. Labels of the
# snapshots: 100 + 10 n for both processes measured, 200 + 10 n for one.
. "${0%/*}/lib.sh"
MESSAGES=5000
N=400000000
EVENTS="instructions cycles branches branch-misses cache-references cache-misses"

# events NUMBER: the first of them
events() {
	echo $EVENTS | cut -d ' ' -f "1-$1" | tr ' ' ,
}

pingpong $MESSAGES 100 | sed 's/^/# /'
for n in 1 2 4 6; do
	$perf stat -o rig.both -e "$(events $n)" -- pingpong $MESSAGES $((100 + 10 * n)) | sed 's/^/# /'
	$perf stat -i -o rig.one -e "$(events $n)" -- pingpong $MESSAGES $((200 + 10 * n)) | sed 's/^/# /'
done
count "$(events 2)" loop $N
figure counted "$(counted instructions)"
