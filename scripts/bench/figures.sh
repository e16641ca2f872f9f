# shellcheck shell=bash
# The figures of scripts/bench.sh: a file for each measure, with a figure for each round.
# shellcheck disable=SC2154 # bench.sh sets what is not set here

# record MEASURE FIGURE
record() { echo "$2" >>"$figures/$1"; }

# shellcheck disable=SC2016 # awk's dollars
median_in_awk='function median() { return (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 } { v[NR] = $1 }'

# spread FORMAT: reads figures; prints "median (lowest to highest)".
spread() {
  sort -g | awk -v f="$1" "$median_in_awk"' END { printf f " (" f " to " f ")", median(), v[1], v[NR] }'
}

# shown MEASURE FORMAT
shown() { spread "$2" <"$figures/$1"; }

median_of() { sort -g "$figures/$1" | awk "$median_in_awk"' END { print median() }'; }

# ratio MEASURE MEASURE: of their medians.
ratio() { calculate %.2f "$(median_of "$1") / $(median_of "$2")"; }

# calculate FORMAT EXPRESSION: bash has no fractions.
calculate() { awk "BEGIN { printf \"$1\", $2 }"; }

# turn ROUND NAME...: the names; every round begins with the next of them.
turn() {
  local shift_by=$(($1 % ($# - 1)))
  shift
  echo "${@:shift_by + 1}" "${@:1:shift_by}"
}
