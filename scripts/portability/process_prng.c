/* The one function that Rust's std calls in bcryptprimitives.dll, a library which Debian 12's Wine does not have.
 * check-portability.sh puts it beside heapserve.exe. Windows has its own. */
#include <windows.h>
#include <ntsecapi.h> /* RtlGenRandom is exported as SystemFunction036 */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    return RtlGenRandom(buffer, (ULONG)length); /* std asks for 16 bytes. */
}
