# SPDX-License-Identifier: GPL-2.0
# about: programs with events of their own: signals, so many of them, another period, from 0
# cpus: amd intel
. "${0%/*}/lib.sh"
PERIOD=1000003

# told PART WORD: the number behind that word
told() {
	awk -v p="$1" -v w="$2" '$1 == p { for (i = 2; i < NF; i++) if ($i == w) print $(i + 1) }' rig.said
}

# signals_of KIND NOBODYS: all parts of it; so many overflows at most may be nobody's
signals_of() {
	signals "$1" $PERIOD >rig.said 2>&1
	sed 's/^/# /' rig.said
	check "$1: three overflows are three signals, the third the last" \
		[ "$(told refresh signals) $(told refresh last)" = "2 1" ]
	check "$1: and one more is one" [ "$(told again signals) $(told again last)" = "0 1" ]
	periods=$(($(told again count) / PERIOD))
	check "$1: then the event is off: four periods were counted" \
		[ $periods -ge 4 -a $periods -le $((4 + $2)) ]
	check "$1: it begins again from 0" none "$(told reset count)"
	# Signals are the program's work, too: the count says how many there are to be.
	near "$1: half a period, twice the signals" "$(told period signals)" \
		"$(($(told period count) / (PERIOD / 2)))" $(($2 + 1)).5
	check "$1: at least what the program did" [ "$(told period count)" -ge $((10 * PERIOD)) ]
	near "$1: a trap for each overflow" "$(told trap signals)" "$(($(told trap count) / PERIOD))" $(($2 + 1)).5
	check "$1: and some" [ "$(told trap signals)" -ge $((19 - $2)) ]
}

signals_of all 0
# Xen counts both sides: a period that ends in a timer's interrupt is not the program's.
signals_of u 2
done_testing
