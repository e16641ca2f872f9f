/* The one function that Rust's std takes from bcryptprimitives.dll, which the
 * Wine of Debian 12 does not have yet. Built by scripts/check-portability.sh
 * and laid beside heapserve.exe for that check only; Windows brings its own. */
#include <windows.h>
#include <ntsecapi.h> /* RtlGenRandom is exported as SystemFunction036 */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    while (length > 0) {
        ULONG part = length < 0x10000 ? (ULONG)length : 0x10000;
        if (!RtlGenRandom(buffer, part))
            return FALSE;
        buffer += part;
        length -= part;
    }
    return TRUE;
}
