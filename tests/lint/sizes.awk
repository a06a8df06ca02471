# What is too long to be read in one go: awk -f sizes.awk FILE...
# Functions above 70 lines, sources above 600, headers above 250, lines above
# 100 columns (strings are never broken).
FNR == 1 { finish(); file = FILENAME; start = 0 }
{ lines = FNR }
/^[{]/ { start = FNR }
/^}/ {
	if (start && FNR - start > 70 && FILENAME !~ /^tests/)
		complain(FNR ": a function of " FNR - start " lines")
	start = 0
}
length($0) > 100 && FILENAME !~ /^tests/ { complain(FNR ": a line of " length($0) " bytes") }
function finish() {
	if (file ~ /\.h$/ && lines > 250) complain("1: a header of " lines " lines")
	if (file ~ /\.c$/ && lines > 600 && file !~ /^tests/)
		complain("1: a source of " lines " lines")
}
function complain(what) { print file ":" what; bad = 1 }
END { finish(); exit bad }
