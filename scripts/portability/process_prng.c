/* The one function that Rust's std calls in bcryptprimitives.dll, a library which
 * Debian 12's Wine does not have. scripts/check-portability.sh builds it and puts
 * it beside heapserve.exe, for that check only. Windows has its own. */
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
