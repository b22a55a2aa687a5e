"""Whether a user agent can tell one caller from another: a browser or a library cannot.

A wrong ``PRODUCT`` would turn everybody's scripts into one third party; a wrong ``LIBRARY`` only
leaves a caller without a name. In doubt it is a library or a browser.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from rollout.domain.usage.user_agents import normalise_user_agent


class UserAgentKind(StrEnum):
    """What a user agent says about who calls."""

    NONE = "none"  # nothing
    BROWSER = "browser"  # a person's program, or one that poses as such
    LIBRARY = "library"  # what the program is made with
    PRODUCT = "product"  # which program it is


@lru_cache(maxsize=16_384)
def kind_of_user_agent(logged: str) -> UserAgentKind:
    """Return what a user agent says about who calls; raw and normalised ones are as good.

    >>> [kind_of_user_agent(agent).value for agent in ("-", "curl/8.5.0", "Acme-Sync/2.1")]
    ['none', 'library', 'product']
    >>> kind_of_user_agent("Mozilla/5.0 (compatible; Foo/1.0; +http://foo.example)").value
    'product'
    """
    name = normalise_user_agent(logged)
    if not _LETTERS.search(name):
        return UserAgentKind.NONE
    if _BROWSER.search(name):
        return UserAgentKind.PRODUCT if _names_itself(name) else UserAgentKind.BROWSER
    return UserAgentKind.LIBRARY if _is_library(name) else UserAgentKind.PRODUCT


_LETTERS = re.compile(r"\A[^&?=%]*[a-z]{2}", re.IGNORECASE)

# Engines, what browsers call themselves, and what telephones of old sent.
_BROWSER = re.compile(
    r"""
    \A (?: Mozilla | Opera | Dalvik | Lynx | E?Links | w3m | Dillo | NetSurf | Midori | iBrowser
         | Safari | MobileSafari | Camino | Dolphin | Firefox | Chrome | Chromium | IE | MSIE
         | Edge? | BlackBerry | Nokia | SAMSUNG | SEC- | SonyEricsson | LG[E-] | MOT- | Vodafone
         | DoCoMo | KDDI | J-PHONE | SoftBank | Palm | HTC | ZTE | Huawei | Alcatel | Micromax
         | LAVA | JUC | Bunjalloo | Uzbl | Nintendo | PlayStation | PSP | Roku | AppleTV
         | Instagram | iTunes
       ) (?! [a-z]*+ (?: - [A-Z]? [a-z]*+ )? (?: [Bb]ot | [Ss]pider | [Cc]rawl ) )
    | Mozilla (?! [a-z] ) | AppleWebKit | (?<![a-z]) WebKit | KHTML | Gecko | Presto (?![a-z])
    | Trident | MSIE | NetFront | Obigo | Teleca | Openwave | Polaris | MIDP | CLDC | UP\.Browser
    | (?<![a-z]) (?:Maui|WAP|Mini|Mobile|One|Web|UC|Atom|Brave|Samsung|SEMC-)? Browser (?![a-z])
    | UCWEB | HbbTV | Mosaic | FBA[NV]/ | Symbian | Series60 | Opera (?:[ ]Mini|[ ]Mobi) | Dolfin
    | Chrome (?![a-z]) | Chromium | Firefox (?![a-z]) | (?<![a-z]) Safari (?![a-z])
    """,
    re.VERBOSE | re.ASCII,
)

# Inside the string of a browser a program names itself by a name that nobody types for a person
# (a bot, a spider), or by an address at which to ask about it.
_ROBOT = re.compile(
    r"(?<![A-Z]) (?: (?: [Bb]ot | [Ss]pider | [Cc]rawler | [Ff]etcher | [Ss]ynthetics ) (?![a-z])"
    r" | [a-z]{2}Bot (?![a-z]) )",
    re.VERBOSE | re.ASCII,
)
_CONTACT = re.compile(
    r"\+[ ]?https?:// | [\w.+-]@[a-z0-9-]+\.[a-z]"
    r" | \( [ ]? (?!compatible) [A-Za-z][\w. -]{2,40} [,;:] [ ]? https?://"
    r" | compatible [;,] [ ]? (?! MSIE | Konqueror | Windows | Linux | X11 | Google[ ]Desktop )"
    r"   [A-Za-z] [^()]{2,200}? (?: https?:// | www\. | @ | \.com (?![a-z]) )",
    re.VERBOSE | re.ASCII,
)


def _names_itself(name: str) -> bool:
    if _ROBOT.search(name):
        return True
    return "MSIE" not in name and _CONTACT.search(name) is not None


# Words of which one is enough: whatever is called `acme-http-client` may be anybody's.
_LIBRARY_WORD = re.compile(
    r"""
      android | apis? | axios | bindings | boto3? | botocore | cfnetwork | clients? | clojure | curl
    | dart | deno | dotnet | electron | elixir | erlang | faraday | feign | fetch | flutter | go
    | golang | got | grequests | grpc | guzzle | guzzlehttp | haskell | https? | httparty
    | httpclient | httpie | httpx | insomnia | ios | java | javascript | jersey | jetty | jvm
    | kotlin | ktor | libs? | libcurl | library | libwww | lua | lwp | mechanize | mono | net
    | netty | nginx | node | nodejs | objc | okhttp3? | perl | php | phpbindings | postman
    | postmanruntime | powershell | python[23]? | pythonbindings | reqwest | requests? | resty
    | rest | restclient | restsharp | retrofit | ruby | rubybindings | rust | scala | scrapy | sdk
    | soap | superagent | swift | tornado | typhoeus | undici | unirest | urllib[23]? | urlsession
    | webclient | wget2? | winhttp | wininet | xmlrpc | zend
    """,
    re.VERBOSE | re.ASCII,
)
# Libraries without such a word, what platforms call by themselves, and names that say nothing.
_LIBRARIES = re.compile(
    r"""
    \A (?: aws- | azsdk- | gcloud | google- | gsutil | gl- | apache- | elasticsearch- | em-
         | http_ | http:: | http\. | py[a-z]+ | hackney | amazon[ ]cloudfront
         | (?: aria2 | ahc | akka | alamofire | appengine-google | axel | azure | cfnetwork
             | darwin | debian | delphi | drupal | elastic | fetch | finch | http | indy | j2ee
             | javaws | jets3t | jnlp | joomla | laravel | libfetch | lftp | lwp | manticore
             | masscan | microsoft | minio | mint | msdaipp | nessus | pear | pecl | qt | rclone
             | req | rusoto | s3 | s3fs | sap | scalaj | sqlmap | symfony | synapse | ubuntu
             | unity | unityplayer | ureq | urlgrabber | vb | windows | winhttp | wordpress
             | xamarin | zlib
             | agent | app | bot | default | example | my-?app | none | null | robot | script
             | test | undefined | unknown | user-?agent
           ) (?! [a-z] )
       )
    | (?<! [a-z] ) (?: aws-sdk- | [a-z]+bindings | winhttp | (?: http | rest | api ) [ ] client
                     | client[ ]library ) (?! [a-z] )
    # a name, and then what it runs on: Acme/2.1 Ruby/3.0
    | \A [\w.-]+ [ ;/(]+ (?: java | php | python | ruby | node | go | \.net | dotnet | curl
                           | perl | jvm ) (?! [a-z] )
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_END_OF_FIRST = re.compile(r"[\s/;,()]")
_WORDS = re.compile(r"[a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # the words of PostmanRuntime


def _is_library(name: str) -> bool:
    first = _END_OF_FIRST.split(name, maxsplit=1)[0]
    words = _WORDS.findall(f"{first} {_CAMEL.sub(' ', first)}".lower())
    return any(map(_LIBRARY_WORD.fullmatch, words)) or _LIBRARIES.search(name) is not None
