"""Names that fit a country, and the letters of logins made of them."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

from faker import Faker

_COUNTRIES: Final = {
    "bg_BG": "BG",
    "cs_CZ": "CZ",
    "da_DK": "DK",
    "de_AT": "AT",
    "de_DE": "DE CH LI",
    "el_GR": "GR CY",
    "en_GB": "GB AU NZ",
    "en_IE": "IE",
    "en_IN": "IN",
    "en_KE": "KE",
    "en_US": "US CA",
    "es_ES": "ES",
    "es_MX": "MX AR CL CO PE UY",
    "et_EE": "EE",
    "fi_FI": "FI",
    "fr_BE": "BE LU",
    "fr_FR": "FR MC",
    "hr_HR": "HR",
    "hu_HU": "HU",
    "id_ID": "ID",
    "it_IT": "IT SM",
    "lt_LT": "LT",
    "lv_LV": "LV",
    "nl_NL": "NL",
    "no_NO": "NO",
    "pl_PL": "PL",
    "pt_BR": "BR",
    "pt_PT": "PT",
    "ro_RO": "RO MD",
    "ru_RU": "RU BY KZ",
    "sk_SK": "SK",
    "sl_SI": "SI",
    "sv_SE": "SE",
    "tr_TR": "TR",
    "uk_UA": "UA",
}
LOCALES: Final = {country: locale for locale, countries in _COUNTRIES.items() for country in countries.split()}
"""By country: whose names there are. Invented people live in these countries."""

_DRAWN: Final = 120
_LATIN: Final = str.maketrans(
    dict(
        pair.split(":")
        for pair in (
            "а:a б:b в:v г:g ґ:g д:d е:e є:ye ж:zh з:z и:i і:i к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:kh ц:ts"
            " ч:ch ш:sh щ:shch ъ: ы:y ь: э:e ю:yu я:ya"
            " α:a β:v γ:g δ:d ε:e ζ:z η:i θ:th ι:i κ:k λ:l μ:m ν:n ξ:x ο:o π:p ρ:r σ:s ς:s τ:t υ:y φ:f χ:ch ψ:ps ω:o"
            " ł:l ø:o æ:ae œ:oe ß:ss đ:d ð:d ı:i"
        ).split()
    )
)
"""What is left of a letter without its accents, where that is none of a–z."""


class Names:
    """Names of one locale, as frequent as they are there; the same for the same seed."""

    def __init__(self, locale: str, seed: int) -> None:
        faker = Faker(locale, providers=["faker.providers.person"])  # all of them take long to load
        faker.seed_instance(seed)
        self.first = [_draw(faker.first_name_female), _draw(faker.first_name_male)]
        """Of women, of men."""
        self.last = [_draw(faker.last_name_female), _draw(faker.last_name_male)]


def _draw(one: Callable[[], str]) -> list[str]:
    return [one() for _ in range(_DRAWN)]


def language(country: str) -> str:
    """Return the language, of those that the server speaks, that people of a country are likeliest to read."""
    return {"fr": "fr", "ru": "ru"}.get(LOCALES[country][:2], "en")


@cache
def letters(name: str) -> str:
    """Return a name in the letters that a login may have."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(letter)
    )
    return re.sub(r"[^a-z]", "", bare.translate(_LATIN))
