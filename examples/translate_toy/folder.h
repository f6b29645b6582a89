/* The folder of a run: made, locked against a second run, and the files in it. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdbool.h>

/* Makes the folder if it is missing and locks it; dies if it is no folder or another run holds it. The lock ends with the
 * program. */
void folder_open(const char *folder);
/* FOLDER/name, in memory to be freed. */
char *folder_path(const char *folder, const char *name);
bool folder_has(const char *folder, const char *name);

#endif
