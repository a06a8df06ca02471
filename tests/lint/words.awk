# Functions and comments we do not write: awk -f words.awk FILE...
# The recorder stands in for some of these functions, and the programs that
# tests record call what real programs call.
BEGIN {
	banned = "strcpy|strcat|sprintf|vsprintf|strtok|gmtime|localtime|" \
		"ctime|asctime|mktemp|tmpnam|tempnam|atoi|atol|atoll|atof|" \
		"gets|system|alloca|signal"
}
FNR == 1 { in_comment = 0 }
{
	line = $0
	gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
	if (in_comment && line ~ /\*\//) { sub(/^.*\*\//, "", line); in_comment = 0 }
	else if (in_comment) line = ""
	gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line)
	if (line ~ /\/\*/) { sub(/\/\*.*/, "", line); in_comment = 1 }
}
line ~ /(^|[^:])\/\// { complain("a // comment") }
/TODO|FIXME|XXX[^X"]/ && !/#[0-9]+/ && !/XXXXXX/ { complain("a TODO without an issue number") }
FILENAME !~ /record\/|tests\/programs\// && \
	line ~ "(^|[^a-zA-Z0-9_.>])(" banned ")[ \t]*\\(" {
	complain("a banned function")
}
function complain(what) { printf "%s:%d: %s: %s\n", FILENAME, FNR, what, $0; bad = 1 }
END { exit bad }
