# Prints C without its comments, and with empty string and character literals; the number of lines stays the same.
BEGIN { CODE = 0; BLOCK = 1 }
FNR == 1 { state = CODE }
{
    out = ""
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (state == BLOCK) {
            if (two == "*/") {
                state = CODE
                i++
            }
        } else if (two == "/*") {
            state = BLOCK
            out = out " "
            i++
        } else if (two == "//") {
            break
        } else if (c == "\"" || c == "'") {
            for (j = i + 1; j <= n && substr($0, j, 1) != c; j++)
                if (substr($0, j, 1) == "\\")
                    j++
            out = out c c
            i = j
        } else {
            out = out c
        }
    }
    print out
}
