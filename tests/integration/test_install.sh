#!/bin/bash
# What is installed works where it lies: the library to compile against, shared
# and static, the tool with its recorder; and uninstall leaves nothing.
set -eu
cd "$(dirname "$0")/../.."
root=$TEST_TMP/root
make=(make -s "VARIANT=$(basename "$MF_BUILD")"
	"O=$(realpath --relative-to=. "$(dirname "$MF_BUILD")")"
	PREFIX=/opt/mf "DESTDIR=$root")

"${make[@]}" install >/dev/null
export PKG_CONFIG_PATH=$root/opt/mf/lib/pkgconfig
export PKG_CONFIG_SYSROOT_DIR=$root

cat >"$TEST_TMP/use.c" <<END
#include <mfcore/text.h>
#include <stdio.h>

int main(void)
{
	struct mf_buf buf = {0};

	mf_text_size(&buf, 1536);
	puts(buf.ptr);
	mf_buf_clear(&buf);
	return 0;
}
END
echo 1..5
# shellcheck disable=SC2046 # words on purpose
{
	gcc "$TEST_TMP/use.c" $(pkg-config --cflags --libs mfcore) \
		-o "$TEST_TMP/shared"
	gcc "$TEST_TMP/use.c" $(pkg-config --cflags mfcore) \
		"$root/opt/mf/lib/libmfcore.a" -lcjson -lz -o "$TEST_TMP/static"
}
shared=$(LD_LIBRARY_PATH=$root/opt/mf/lib "$TEST_TMP/shared")
[ "$shared" = 1.5KiB ] && echo "ok 1 - the shared library"
static=$("$TEST_TMP/static")
[ "$static" = 1.5KiB ] && echo "ok 2 - the static library"
objdump -p "$TEST_TMP/shared" | grep -q 'NEEDED *libmfcore.so.0' &&
	echo "ok 3 - the SONAME is what programs ask for"

out=$("$root/opt/mf/bin/mftrace" record --quiet --journal "$TEST_TMP/j" \
	-- cat /proc/self/maps)
case $out in
*"$root/opt/mf/lib/mfcore/libmfrecord.so"*)
	echo "ok 4 - the tool finds the recorder it was installed with" ;;
*) echo "# the recorder in use: $out"; exit 1 ;;
esac

"${make[@]}" uninstall >/dev/null
left=$(find "$root" -type f -o -type l)
[ -z "$left" ] || { echo "# left: $left"; exit 1; }
echo "ok 5 - uninstall leaves nothing"
