"""C names from any text: of tensors, which become members of structs, and of networks, which are
prefixes of the names of files, functions and macros.

A network's name must not clash in three places. Its header NET.h may lie on an include path before
the system's, and so may its executable NET, as C++ has headers without a suffix; its library
libNET.a lies where the linker looks for the system's. Networks with such names get the suffix
`_net`. Other names of C and libc cannot clash, since NET is only ever a prefix.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_LENGTH = 100  # of an identifier, so that files named after it have names that file systems take

_C_WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while
"""
_CXX_WORDS = """
alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await
co_return co_yield compl concept const_cast consteval constexpr constinit decltype delete
dynamic_cast explicit export false friend mutable namespace new noexcept not not_eq nullptr operator
or or_eq private protected public reinterpret_cast requires static_assert static_cast template this
thread_local throw true try typeid typename typeof typeof_unqual using virtual wchar_t xor xor_eq
"""
# What the headers of glibc, musl, Bionic, Darwin and Windows define as macros without parameters,
# in lower case, and GNU mode before any header.
_MACROS = """
alloca arm assert complex d_fileno errno far h_addr h_errno i386 imaginary interface linux loff_t
math_errhandling near noreturn offsetof s6_addr s6_addr16 s6_addr32 sa_handler sa_sigaction
sched_priority setjmp si_addr si_arch si_band si_call_addr si_fd si_int si_lower si_overrun si_pid
si_pkey si_ptr si_status si_stime si_syscall si_timerid si_uid si_upper si_utime si_value
sigcontext_struct small st_atime st_birthtime st_ctime st_mtime stderr stdin stdout sv_onstack unix
w_coredump w_retcode w_stopsig w_stopval w_termsig
"""
_WORDS = frozenset(f"{_C_WORDS} {_CXX_WORDS}".split())
_MACRO_NAMES = frozenset(_MACROS.split())
_STDINT = re.compile(r"u?int\w*_t|U?INT\w*|NULL|\w+_(MAX|MIN)|size_t|ptrdiff_t|mbc_pool")

_HEADERS = """
a_out aio aliases alloca android ar argp argz arm_acle arm_neon arpa asm assert atomic bits bzlib
byteswap cet cl cl_ext cl_gl cl_platform complex conio copyfile cpio cpuid crypt crypt_h ctype
cuda cuda_runtime curses cxxabi dbm direct dirent dlfcn elf elf_h endian envz err errno error
execinfo expat fcntl features fenv float fmtmsg fnmatch form fpu_control fstab fts ftw gconv gcov
getopt glob grp gshadow iconv ieee754 ifaddrs io iso646 inttypes jni langinfo lastlog libgen
libintl limits link locale magic malloc math mcheck mem memory menu mntent monetary mqueue ncurses
ndbm netdb nl_types nss objc obstack omp opencl panel paths png poll printf process proc_service
pthread pty pwd quadmath re_comp readpassphrase regex regexp resolv rpc sandbox sched search
semaphore setjmp sgtty shadow share signal spawn sqlite3 stab stdalign stdarg stdatomic stdbool
stdbit stdckdint stdc stddef stdint stdio stdio_ext stdlib stdnoreturn stdfix string strings
sysctl syscall sysexits syslimits syslog tar term termcap termio termios tgmath thread_db threads
time timeb ttyent uchar ucontext ulimit unctrl unistd unwind util utime utmp utmpx values varargs
wait wchar wctype windows winsock2 wordexp xlocale yaml zconf zlib
"""
_CXX_HEADERS = """
algorithm any array barrier bit bitset cassert ccomplex cctype cerrno cfenv cfloat charconv chrono
cinttypes ciso646 climits clocale cmath codecvt compare concepts condition_variable coroutine
csetjmp csignal cstdalign cstdarg cstdbool cstddef cstdint cstdio cstdlib cstring ctgmath ctime
cuchar cwchar cwctype debugging deque exception execution expected experimental ext filesystem
flat_map flat_set format forward_list fstream functional future generator hazard_pointer
initializer_list inplace_vector iomanip ios iosfwd iostream istream iterator latch linalg list map
mdspan memory_resource module mutex new numbers numeric optional ostream parallel print queue
random ranges ratio rcu scoped_allocator set shared_mutex simd source_location span spanstream
sstream stack stacktrace std stdexcept stdfloat stop_token streambuf string_view strstream
syncstream system_error text_encoding thread tr1 tr2 tuple type_traits typeindex typeinfo
unordered_map unordered_set utility valarray variant vector version
"""
_LIBRARIES = """
anl asan atomic bsd c c_nonshared cxx dl egl gcc gcc_eh gcc_s gcov glesv2 gomp itm jnigraphics log
lsan m mvec nsl opensles pthread quadmath rt ssp system tsan ubsan util vulkan z
"""
_TAKEN = frozenset(f"{_HEADERS} {_CXX_HEADERS} {_LIBRARIES}".split())
_INTRINSICS = re.compile(r"\w*intrin")


def c_identifier(name: str) -> str:
    """Make an identifier that is unused in C and C++: "a.b" → "a_b", "0" → "v0", "new" → "new_".

    Letters lose their accents, other scripts become their code points: "é" → "e", "猫" → "u732b".
    Two names may give the same identifier.
    """
    word = _word(name)
    taken = word in _WORDS or word in _MACRO_NAMES or _STDINT.fullmatch(word)
    return f"{word}_" if taken else word


def member(name: str) -> str:
    """Make the name of a struct's member: capitals, which may be a macro of some header, become
    lower case."""
    word = c_identifier(name)
    shouted = word.upper() == word or re.match(r"[A-Z]_|PRI|SCN", word)
    return c_identifier(word.lower()) if shouted else word


def net_identifier(name: str) -> str:
    """Make the name of a network, a prefix in C and the name of its files: "a.b" → "a_b",
    "math" → "math_net", since the system has a <math.h>."""
    word = _word(name)
    key = word.lower()  # macros are in capitals, and some file systems know no case
    if key == "mbc" or key.startswith("mbc_"):
        return f"net_{word}"
    taken = key in _TAKEN or key in _WORDS or _INTRINSICS.fullmatch(key)
    return f"{word}_net" if taken else word


def _word(name: str) -> str:
    """Reduce a name to letters, digits and single underscores between them, not beginning with a
    digit (C++ reserves two underscores in a row)."""
    text = "".join(map(_ascii, unicodedata.normalize("NFKD", name)))
    word = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    if not word or word[0].isdigit():
        word = f"v{word}"
    if len(word) <= MAX_LENGTH:
        return word
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{word[: MAX_LENGTH - 9]}_{digest}".replace("__", "_")


def _ascii(char: str) -> str:
    """Convert a character to ASCII: letters, digits and symbols of other scripts become their code
    points, accents nothing, all others a blank."""
    if char.isascii():
        return char
    kind = unicodedata.category(char)[0]
    if kind == "M" and unicodedata.combining(char):
        return ""
    return f"u{ord(char):x}" if kind in "LNSM" else " "
