"""What a function in C may be called, and how it gets its name in a file."""

import re

KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main asm typeof
typeof_unqual alignas alignof bool complex constexpr false imaginary noreturn nullptr static_assert thread_local true
"""
# What the library declares for double, and with endings for the other types.
MATHS = """
acos asin atan atan2 cos sin tan acospi asinpi atanpi atan2pi cospi sinpi tanpi acosh asinh atanh cosh sinh tanh exp
exp10 exp10m1 exp2 exp2m1 expm1 frexp ilogb ldexp llogb log log10 log10p1 log1p logp1 log2 log2p1 logb modf scalbn
scalbln cbrt compoundn fabs hypot pow pown powr rootn rsqrt sqrt erf erfc lgamma tgamma ceil floor nearbyint rint
lrint llrint round lround llround roundeven trunc fmod remainder remquo copysign nan nextafter nexttoward nextup
nextdown canonicalize fdim fmax fmin fmaximum fminimum fmaximum_mag fminimum_mag fmaximum_num fminimum_num
fmaximum_mag_num fminimum_mag_num fmaxmag fminmag fma fromfp ufromfp fromfpx ufromfpx getpayload setpayload
setpayloadsig totalorder totalordermag gamma drem significand finite isinf isnan scalb pow10 sincos j0 j1 jn y0 y1 yn
cacos casin catan ccos csin ctan cacosh casinh catanh ccosh csinh ctanh cexp clog clog10 cabs cpow csqrt carg cimag
conj cproj creal lgamma_r gamma_r lgammaf_r lgammal_r
"""
# All else that it declares or defines, in C, in POSIX's headers that those of C bring along, and in the compilers.
LIBRARY = """
assert errno isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit tolower
toupper isascii toascii setlocale localeconv lconv fpclassify isfinite isnormal signbit iseqsig issignaling
issubnormal iszero iscanonical isgreater isgreaterequal isless islessequal islessgreater isunordered math_errhandling
matherr signgam exception fadd faddl daddl fsub fsubl dsubl fmul fmull dmull fdiv fdivl ddivl ffma ffmal dfmal fsqrt
fsqrtl dsqrtl setjmp longjmp jmp_buf sigsetjmp siglongjmp sigjmp_buf signal raise sig_atomic_t kill va_list va_start
va_arg va_end va_copy atomic_init offsetof size_t ssize_t ptrdiff_t wchar_t wint_t max_align_t nullptr_t unreachable
NULL remove rename tmpfile tmpnam fclose fflush fopen freopen setbuf setvbuf fprintf fscanf printf scanf snprintf
sprintf sscanf vfprintf vfscanf vprintf vscanf vsnprintf vsprintf vsscanf fgetc fgets fputc fputs getc getchar gets
putc putchar puts ungetc fread fwrite fgetpos fseek fsetpos ftell rewind clearerr feof ferror perror fpos_t FILE stdin
stdout stderr fdopen fileno popen pclose ctermid cuserid getdelim getline dprintf vdprintf asprintf vasprintf fmemopen
open_memstream open_wmemstream getw putw fseeko ftello off_t off64_t flockfile ftrylockfile funlockfile getc_unlocked
getchar_unlocked putc_unlocked putchar_unlocked clearerr_unlocked feof_unlocked ferror_unlocked fileno_unlocked
fflush_unlocked fgetc_unlocked fputc_unlocked fread_unlocked fwrite_unlocked fgets_unlocked fputs_unlocked fcloseall
fopencookie setbuffer setlinebuf tempnam tmpnam_r tmpfile64 fopen64 freopen64 fseeko64 ftello64 fgetpos64 fsetpos64
fpos64_t renameat renameat2 obstack obstack_printf obstack_vprintf cookie_io_functions_t cookie_read_function_t
cookie_write_function_t cookie_seek_function_t cookie_close_function_t atof atoi atol atoll strtod strtof strtold
strtol strtoll strtoul strtoull strfromd strfromf strfroml rand srand rand_r random srandom initstate setstate drand48
erand48 lrand48 nrand48 mrand48 jrand48 srand48 seed48 lcong48 aligned_alloc calloc free free_sized free_aligned_sized
malloc realloc memalignment alloca valloc posix_memalign abort atexit at_quick_exit exit quick_exit getenv putenv
setenv unsetenv system bsearch qsort qsort_r abs labs llabs div ldiv lldiv div_t ldiv_t lldiv_t mblen mbtowc wctomb
mbstowcs wcstombs mktemp mkstemp mkdtemp realpath environ memcpy memccpy memmove memset memset_explicit memchr memrchr
rawmemchr memmem memfrob mempcpy memcmp strcpy strncpy strcat strncat strcmp strcoll strncmp strxfrm strchr strrchr
strchrnul strcspn strspn strpbrk strstr strcasestr strtok strtok_r strsep strlen strnlen strdup strndup strdupa
strndupa strerror strerror_r strerror_l strerrordesc_np strerrorname_np strsignal strverscmp strfry strcoll_l
strxfrm_l strlcpy strlcat stpcpy stpncpy sigabbrev_np sigdescr_np explicit_bzero basename bcopy bzero bcmp index
rindex ffs ffsl ffsll strcasecmp strncasecmp strcasecmp_l strncasecmp_l locale_t call_once once_flag cnd_t mtx_t
thrd_t tss_t thrd_exit thrd_join thrd_sleep thrd_yield clock clock_t difftime mktime time time_t tm timespec
timespec_get timespec_getres timegm asctime ctime gmtime gmtime_r localtime localtime_r strftime wcsftime tzset tzname
timezone daylight nanosleep gettimeofday timeval btowc wctob fgetwc fgetws fputwc fputws fwide getwc getwchar putwc
putwchar ungetwc mbsinit mbrlen mbrtowc wcrtomb mbsrtowcs wcsrtombs mbstate_t iswalnum iswalpha towlower towupper
wctype wctrans wctype_t wctrans_t mbrtoc16 c16rtomb mbrtoc32 c32rtomb feclearexcept fegetexceptflag feraiseexcept
fesetexceptflag fetestexcept fegetround fesetround fegetenv feholdexcept fesetenv feupdateenv fenv_t fexcept_t float_t
double_t imaxabs imaxdiv imaxdiv_t strtoimax strtoumax read write open close access select poll pipe link unlink chdir
getcwd getpid sleep usleep pause alarm brk sbrk fork execv wait stat fstat sync dup dup2 nice signed_char u_char
u_short u_int u_long u_quad_t quad_t uint ushort ulong NAN INFINITY SNAN SNANF SNANL HUGE HUGE_VAL HUGE_VALF HUGE_VALL
HUGE_VALD32 HUGE_VALD64 MAXFLOAT EOF BUFSIZ FILENAME_MAX FOPEN_MAX L_tmpnam L_ctermid L_cuserid P_tmpdir TMP_MAX
SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE EXIT_FAILURE EXIT_SUCCESS RAND_MAX MB_CUR_MAX CHAR_BIT BOOL_WIDTH
DECIMAL_DIG CLOCKS_PER_SEC TIME_UTC DOMAIN SING OVERFLOW UNDERFLOW PLOSS TLOSS X_TLOSS RENAME_NOREPLACE
RENAME_EXCHANGE RENAME_WHITEOUT linux unix i386 arm mips sparc sun vax AVR near far huge
"""
# Families of macros and types.
FORMS = re.compile(
    r"u?int\w*_t|(U?INT|CHAR|SCHAR|UCHAR|SHRT|USHRT|U?LONG|U?LLONG|SSIZE|SIZE|PTRDIFF|WCHAR|WINT|SIG_ATOMIC)\w*_(MAX|MIN|C|WIDTH)"
    r"|[fd]\d+x?(add|sub|mul|div|sqrt|fma)[fd]\d+x?|strto[fd]\d+x?|strfrom[fd]\d+x?|(HUGE_VAL_|SNAN)[FD]\d+X?|(FLT|DBL|LDBL|DEC\d+|FP|FE|LC|SIG|PRI|SCN|ATOMIC|M)_?[A-Z0-9_]+|E[A-Z0-9]+|E2BIG"
)
ENDINGS = "", "f", "l", "f16", "f32", "f64", "f128", "f32x", "f64x", "f128x", "d32", "d64", "d128", "d64x"
RESERVED = frozenset([*KEYWORDS.split(), *LIBRARY.split(), *(word + end for word in MATHS.split() for end in ENDINGS)])
PLACEHOLDER = "\ue000"  # stands for the name until it is known that no other thing in the file has it


def is_reserved(name: str) -> bool:
    """Whether C, or its library, has a thing of that name."""
    return name in RESERVED or bool(FORMS.fullmatch(name))


def check_name(name: object) -> str:
    """The name of a function that C allows."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, what to call the function in C; got {type(name).__name__}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,50}", name) or is_reserved(name):
        raise ValueError(
            "name must be a letter and up to 50 letters, digits and underscores, and no word of C or of its library; "
            f"got {name!r}"
        )
    return name


def named(text: str, name: str) -> str:
    """C with the name in its place; ValueError if the file calls something else so."""
    code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', "", text, flags=re.DOTALL)
    if {name, f"{name}_input_gradient", f"{name}_columns"} & set(re.findall(r"[A-Za-z_]\w*", code)):
        raise ValueError(f"name must not be what the file calls something else; got {name!r}")
    return text.replace(f"{PLACEHOLDER}_TEST", f"{name.upper()}_TEST").replace(PLACEHOLDER, name)
