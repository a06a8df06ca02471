#!/bin/bash
# What is preloaded into foreign processes: record.sh libmfrecord.so
# It needs no library but libc, shows none of our own names, and its threads'
# storage is laid out before the program runs.
set -u
so=$1
bad=0
complain() {
	echo "$so: $1"
	bad=1
}

while read -r lib; do
	case $lib in
	libc.so.6 | ld-linux*) ;;
	*) complain "needs $lib" ;;
	esac
done < <(readelf -dW "$so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')

while read -r name; do
	complain "exports $name"
done < <(nm -D --defined-only "$so" | awk '$3 ~ /^mf_/ { print $3 }')

if readelf -rW "$so" | grep -q 'DTPMOD\|TLSDESC'; then
	complain "has thread storage that is allocated on first use"
fi
readelf -dW "$so" | grep -q NODELETE || complain "can be unloaded"
readelf -dW "$so" | grep -qw 'BIND_NOW\|NOW' || complain "binds lazily"
# sanitizers, stack protector and fortified calls want a set-up of their own
while read -r name; do
	complain "calls $name"
done < <(nm -D --undefined-only "$so" |
	awk '$NF ~ /^__(asan|tsan|ubsan|stack_chk)|_chk(@|$)/ { print $NF }')
exit $bad
