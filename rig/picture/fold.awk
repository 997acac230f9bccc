# SPDX-License-Identifier: GPL-2.0
# One line for each different stack and how often it was sampled, out of
#
#	perf script --guestkallsyms=/proc/xen/xensyms -F comm,tid,misc,ip,sym
#
# A line is "COMMAND;FRAME;...;FRAME COUNT", the outermost frame first. A frame is
# KIND:NAME; KIND is u, k or h: user, kernel or hypervisor. perf takes Xen for a
# guest (G) and does not know the command of a guest's thread: it is that of the
# thread's other samples. A guest's samples outside of Xen are another domain's
# and left out.

function keep() {
	if (stack && !foreign)
		count[command ";" stack]++
	stack = last = ""
	foreign = whole = sampled = 0
}

/^[^ \t]/ {
	keep()
}

# A sample: the command, which may have blanks in it, the thread and whose it is.
/^[^ \t].* [0-9]+ +[A-Za-z]+ *$/ {
	sampled = 1
	thread = $(NF - 1)
	guest = $NF ~ /[Gg]/
	command = $0
	sub(/ +[0-9]+ +[A-Za-z]+ *$/, "", command)
	gsub(/;/, ":", command)
	if (!guest) {
		commands[thread] = command
		if (!((":" thread) in first))
			first[":" thread] = command
	} else {
		command = thread in commands ? commands[thread] : ":" thread
		stack = "h:[hypervisor]"
	}
	next
}

# A frame: its address and symbol; perf has the innermost first. Whatever main()
# was called by is the C library's start, or what lay on the stack there.
/^[ \t]+[0-9a-f]+ ./ && sampled && !whole {
	name = $0
	sub(/^[ \t]*[0-9a-f]+ /, "", name)
	gsub(/;/, ":", name)
	if (guest) {
		foreign = $1 !~ /^ffff8[0-7]/
		sub(/^[^ ]*\.[cS]#/, "", name)	# Xen says which file it is in
		stack = stack ";h:" name
		next
	}
	frame = ($1 ~ /^ffff[89a-f]...........$/ ? "k:" : "u:") name
	if (name != "[unknown]" || frame != last)
		stack = frame (stack ? ";" stack : "")
	last = frame
	whole = frame == "u:main"
}

END {
	keep()
	for (stack in count) {
		command = stack
		sub(/;.*/, "", command)
		if (command in first)
			total[first[command] substr(stack, length(command) + 1)] += count[stack]
		else
			total[stack] += count[stack]
	}
	for (stack in total)
		print stack, total[stack]
}
