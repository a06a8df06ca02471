/*
 * Give a fuzz target every file of its corpus: what once broke it, or led it
 * into a new corner, is tried in each `make check`, with any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of the exact size, so that the sanitizer sees a byte too far. */
static int replay(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *bytes;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rbe");
	if (!file || fseek(file, 0, SEEK_END) != 0)
		return -1;
	size = ftell(file);
	rewind(file);
	bytes = size >= 0 ? malloc((size_t)size + !size) : NULL;
	if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
		return -1;
	fclose(file);
	/* named first: if this one ends the program, it is the last line */
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, (size_t)size);
	free(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "";
	const struct dirent *entry;
	DIR *corpus = opendir(dir);
	int n = 0;

	while (corpus && (entry = readdir(corpus))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay(dir, entry->d_name) < 0) {
			printf("not ok 1 - cannot read %s\n", entry->d_name);
			return 1;
		}
		n++;
	}
	if (corpus)
		closedir(corpus);
	printf("%sok 1 - %d inputs of %s\n1..1\n", n ? "" : "not ", n, dir);
	return n ? 0 : 1;
}
