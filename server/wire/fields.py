"""The types of fields: what may stand in a payload, and the words for what may not."""

import binascii
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")


class _Unset(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset.UNSET
"""The default of a field that leaves things as they are when it is absent; null is a value."""


ABSENT: Any = None
"""The default of a field that may be left out, but not be null."""


def _fault(code: str, message: str, **params: Any) -> PydanticCustomError:
    return PydanticCustomError(code, message, params)


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_LINE_BREAKING = re.compile(r"[\n\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _clean(text: str) -> str:
    if _CONTROL.search(text):
        raise _fault("control", "No control characters, please.")
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True)
class _Length:
    """Count characters after normalisation, since that is what is stored."""

    minimum: int
    maximum: int

    def _check(self, text: str) -> str:
        if len(text) < self.minimum:
            raise _fault("min_length", "At least {min_length} characters.", min_length=self.minimum)
        if len(text) > self.maximum:
            raise _fault("max_length", "At most {max_length} characters.", max_length=self.maximum)
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"minLength": self.minimum, "maxLength": self.maximum}


def _says(description: str, **schema: Any) -> Any:
    """Say in the reference what a field of this type is, and what a schema has to add to that."""
    return Field(description=description, json_schema_extra=schema or None)


def _visible(text: str) -> str:
    """Spaces and marks of no width are not a name; what turns the direction of writing would rearrange its line."""
    if not any(unicodedata.category(character)[0] in "LNPS" for character in text):
        raise _fault("blank", "This cannot be blank.")
    if _LINE_BREAKING.search(text):
        raise _fault("control", "One line, please, and nothing that turns its direction.")
    return text.strip()


_LOGIN = re.compile(r"[A-Za-z0-9_.-]{3,32}")
_STAFF = frozenset(
    "admin administrator root system support staff moderator mod matcha official help helpdesk security team service "
    "postmaster webmaster hostmaster abuse noreply null undefined".split()
)


def _login(text: str) -> str:
    if not _LOGIN.fullmatch(text):
        raise _fault("format", "3 to 32 of the letters a-z, digits, and _ . -")
    folded = text.lower()
    if re.sub(r"[^a-z]", "", folded) in _STAFF:
        raise _fault("reserved", "This name is kept for the staff.")
    return folded


def _mail(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as fault:
        raise _fault("format", "This is not a mail address.") from fault


def _iso_date(value: object) -> object:
    """Strict models take dates only as dates, JSON has them only as text."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise _fault("format", "A date such as 1990-12-31.")


def folded_tag(text: str) -> str:
    """Return a tag, or the beginning of one, as it is compared."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _tag(text: str) -> str:
    folded = folded_tag(text)
    if not 1 <= len(folded) <= 32 or not all(character.isalnum() or character == "-" for character in folded):
        raise _fault("format", "Up to 32 letters, digits and dashes, without #.")
    return folded


MOST_IMAGES, LARGEST_IMAGE = 5, 1_000_000
_PHOTO_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def _image(value: object) -> str | bytes:
    """Return a photo_id, or the bytes of an image; where there are only texts, Base64 stands for them."""
    if isinstance(value, str) and not _PHOTO_ID.fullmatch(value):
        try:
            value = binascii.a2b_base64(value, strict_mode=True)
        except ValueError as fault:
            raise _fault("format", "A photo_id of your own, or an image in Base64.") from fault
    if not isinstance(value, str | bytes):
        raise _fault("image", "A photo_id of your own, or the bytes of an image.")
    if len(value) > LARGEST_IMAGE:
        raise _fault("max_bytes", "At most {max_bytes} bytes.", max_bytes=LARGEST_IMAGE)
    return value


def _once(values: list[T]) -> list[T]:
    return list(dict.fromkeys(values))


class Part(BaseModel):
    """An object inside a payload, as strict as the payload itself."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Gps(Part):
    """A position in degrees, WGS 84."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]


Age = Annotated[int, Field(ge=18, le=120)]
Kilometres = Annotated[int, Field(ge=1, le=20000)]


class Wish(Part):
    """Whom a person would like to meet; nobody else ever sees it."""

    age_min: Age | None = None
    age_max: Age | None = None
    distance_max: Kilometres | None = None


UserId = Annotated[int, Field(ge=1, lt=2**53), _says("a person's id")]
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31), _says("any number; the same one again is the same act")]
Seq = Annotated[int, Field(ge=0, lt=2**53), _says("a number of the log, or of the conversation")]
Limit = Annotated[int, Field(ge=1, le=50), _says("how many at most")]
HistoryLimit = Annotated[int, Field(ge=1, le=100), _says("how many at most")]
Cursor = Annotated[
    str, AfterValidator(_clean), _Length(1, 4000), _says("the `cursor` of the page before; good for an hour")
]
Prefix = Annotated[str, AfterValidator(_clean), AfterValidator(_visible), _Length(1, 64), _says("how the name begins")]
PlaceId = Annotated[int, Field(ge=1, lt=2**32), _says("a town, from `places`")]
SortBy = Annotated[int, Field(ge=0, le=4), _says("0 recommended, 1 distance, 2 age, 3 fame, 4 common tags")]
Percent = Annotated[int, Field(ge=0, le=100)]
ReportId = Annotated[
    int,
    Field(ge=1, le=6),
    _says("1 fake, 2 spam or scam, 3 harassment, 4 indecent photo, 5 under age, 6 other"),
]

NewLogin = Annotated[
    str, AfterValidator(_login), _says("a login that is free; case does not matter", pattern=f"^{_LOGIN.pattern}$")
]
Login = Annotated[str, AfterValidator(_clean), _Length(1, 254), _says("a login; or a mail address, to sign in")]
NewMail = Annotated[str, _Length(3, 254), AfterValidator(_mail), Field(json_schema_extra={"format": "email"})]
NewPassword = Annotated[str, _Length(10, 256), _says("a password that is not guessed first; any characters")]
Password = Annotated[str, _Length(1, 256), _says("the password as it is now")]
LinkId = Annotated[str, AfterValidator(_clean), _Length(1, 1000), _says("from the link that was mailed")]
SessionId = Annotated[str, AfterValidator(_clean), _Length(1, 64), _says("from `user/sessions`")]

Name = Annotated[str, AfterValidator(_clean), AfterValidator(_visible), _Length(1, 64)]
Description = Annotated[str, AfterValidator(_clean), _Length(0, 4000)]
Comment = Annotated[str, AfterValidator(_clean), _Length(0, 1000)]
Body = Annotated[str, AfterValidator(_clean), _Length(1, 4000)]
BirthDate = Annotated[date, BeforeValidator(_iso_date)]
Gender = Literal["male", "female", "nonbinary"]
Sex = Annotated[list[Gender], Field(max_length=3), AfterValidator(_once), _says("the genders sought; `[]` = all")]
UserIds = Annotated[list[UserId], Field(max_length=100), AfterValidator(_once)]
Tag = Annotated[str, AfterValidator(_tag), _says("1 to 32 letters, digits and `-`; case does not matter")]
Tags = Annotated[list[Tag], Field(max_length=20), AfterValidator(_once)]
Image = Annotated[
    str | bytes,
    PlainValidator(_image),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "maxLength": -(-LARGEST_IMAGE // 3) * 4}),
]
Images = Annotated[
    list[Image],
    Field(max_length=MOST_IMAGES),
    _says("the whole ordered list, the main photo first: a `photo_id` of one's own each, or an image of at most 1 MB"),
]
Language = Literal["en", "ru", "fr"]


_WORDS = {
    "required": "This field is needed.",
    "unknown": "There is no such field here.",
    "min": "At least {min}.",
    "max": "At most {max}.",
    "max_items": "At most {max_items} of them.",
    "choice": "One of {choices}.",
    "type": "This should be {expected}.",
}
_BOUNDS = {"greater_than_equal": "min", "greater_than": "min", "less_than_equal": "max", "less_than": "max"}
_OURS = {"control", "min_length", "max_length", "max_bytes", "blank", "format", "reserved", "order"}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "model": "an object",
    "dict": "an object",
    "date": "a date",
    "image": "a photo_id, or an image",
}


def _translate(error: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Turn one of pydantic's errors into our code, its parameters and a sentence; never repeats the input."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return "required", {}, _WORDS["required"]
    if kind == "extra_forbidden":
        return "unknown", {}, _WORDS["unknown"]
    if kind in _BOUNDS:
        code = _BOUNDS[kind]
        bound = round(next(iter(context.values()))) - (kind == "less_than") + (kind == "greater_than")
        return code, {code: bound}, _WORDS[code].format(**{code: bound})
    if kind == "too_long":
        params = {"max_items": context["max_length"]}
        return "max_items", params, _WORDS["max_items"].format(**params)
    if kind == "literal_error":
        params = {"choices": context["expected"].replace("'", "")}
        return "choice", params, _WORDS["choice"].format(**params)
    if error["msg"] and kind in _OURS:
        return kind, dict(context), error["msg"]
    expected = _TYPES.get(kind.split("_")[0], "something else")
    return "type", {"expected": expected}, _WORDS["type"].format(expected=expected)


def describe(fault: ValidationError) -> dict[str, dict[str, Any]]:
    """Return the `fields` of an `invalid_payload` answer: path → code, params, message."""
    fields: dict[str, dict[str, Any]] = {}
    for error in fault.errors(include_url=False, include_input=False):
        code, params, message = _translate(dict(error))
        path = ".".join(_printable(part) for part in error["loc"]) or "payload"
        fields.setdefault(path, {"code": code, "params": params, "message": message})
    return fields


def _printable(part: int | str) -> str:
    """Unknown field names come from the caller: keep them short and encodable."""
    return str(part)[:64].encode("utf-8", "replace").decode()
