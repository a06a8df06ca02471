#!/bin/bash
# What the shells offer comes from the verb tables, and the words work.
set -eu
dir=$MF_BUILD/completions
verbs=$("$MFTRACE" --help | awk '/^verbs:/ { on = 1; next } !NF { on = 0 }
	on && $1 != "help" { print $1 }')
[ -n "$verbs" ]
n=0
ok() {
	n=$((n + 1))
	echo "ok $n - $1"
}

# shellcheck source=/dev/null
source "$dir/mftrace.bash"
compopt() { :; } # only allowed while a shell completes
offer() { # WORD... as typed; prints what is offered for the last
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_mftrace "$MFTRACE" && echo "${COMPREPLY[*]:-}"
}
options_of() { # VERB: as its help lists them
	"$MFTRACE" "$1" --help | awk '/^options:/ { on = 1; next } !NF { on = 0 }
		on' | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}
offered=$(offer mftrace '')
for verb in $verbs; do
	[[ " $offered " == *" $verb "* ]] || { echo "# no $verb: $offered"; exit 1; }
	options=$(options_of "$verb")
	given=$(offer mftrace "$verb" --)
	for option in $options; do
		[[ " ${given//=/} " == *" $option "* ]] ||
			{ echo "# $verb: no $option: $given"; exit 1; }
	done
	"$MFTRACE" "$verb" --help | grep -q "^usage: mftrace $verb "
done
ok "bash offers every verb and each option its help names"

mkdir -p "$TEST_TMP/somewhere"
cd "$TEST_TMP"
[ "$(offer mftrace record --journal somew)" = somewhere ]
[ "$(offer mftrace record --journal = somew)" = somewhere ]
ok "bash offers directories where one is wanted"
[[ " $(offer mftrace record -- env) " == *" env "* ]]
ok "bash offers commands behind the two dashes"

zsh -fn "$dir/_mftrace"
for verb in $verbs; do grep -q "^		$verb)" "$dir/_mftrace"; done
ok "zsh can read its file and has every verb"
fish -n "$dir/mftrace.fish"
for verb in $verbs; do
	offered=$(fish -c "source $dir/mftrace.fish
		complete -C 'mftrace $verb --'")
	options=$(options_of "$verb")
	for option in $options; do
		[[ $offered == *"$option"* ]] ||
			{ echo "# fish, $verb: no $option: $offered"; exit 1; }
	done
done
ok "fish offers every option of every verb"
echo "1..$n"
