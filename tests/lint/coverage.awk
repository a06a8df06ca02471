# Lines reached, a room at a time: gcov -n FILES | awk -f coverage.awk
/^File '/ { f = $2; gsub("'", "", f); n = split(f, p, "/") ; room = p[1] == "libmfcore" ? p[2] : p[1] }
/^Lines executed:/ && f ~ /\.c$/ { sub("Lines executed:", ""); sub("%", ""); hit[room] += $1 / 100 * $3; all[room] += $3; f = "" }
END { for (r in all) printf "%-10s %5.1f%% of %d lines\n", r, 100 * hit[r] / all[r], all[r] }
