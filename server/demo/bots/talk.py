"""What a bot says: short, friendly, in the language it is spoken to in, and honest about what it is."""

import re
from random import Random
from typing import Final


def _about(words: str, stems: str) -> re.Pattern[str]:
    """Match any of these words, or what begins like these Russian ones."""
    return re.compile(rf"\b({words})\b|\b({stems})", re.IGNORECASE)


_CYRILLIC: Final = re.compile(r"[а-яё]", re.IGNORECASE)
_FRENCH: Final = re.compile(
    r"[éèêàçùôî]|\b(bonjour|salut|coucou|merci|oui|je|tu|vous|est|et|pas|que|quoi|bien|toi|moi)\b", re.IGNORECASE
)
_ABOUT: Final = (
    (
        "bot",
        _about("bots?|robots?|real|fake|invented|human|ai|vraie?|réelle?|humaine?", "бот|робот|настоящ|живой|живая"),
    ),
    ("hello", _about("hello|hi|hey|salut|bonjour|coucou|bonsoir", "привет|здравствуй|добрый")),
    ("bye", _about("bye|goodbye|good night|au revoir|à bientôt|bonne nuit", "пока|до свидания|спокойной")),
    ("thanks", _about("thanks?|thank you|merci", "спасибо")),
    ("question", re.compile(r"\?")),
)
_SAY: Final = {
    "en": {
        "open": ("Hello! Nice that we found each other.", "Hi! How is your day going?", "Hey! What brings you here?"),
        "bot": ("I am an invented person of this demo: a small program answers for me.",),
        "hello": ("Hello! How are you?", "Hi there! Good to hear from you.", "Hey! I was just making tea."),
        "bye": ("See you soon!", "Take care!", "Until next time!"),
        "thanks": ("With pleasure!", "Any time.", "You are welcome!"),
        "question": (
            "Good question. I would say yes, on most days.",
            "I would have to think about it. What about you?",
            "Hard to say! Tell me first what you think.",
            "Probably, if there is cake.",
        ),
        "other": (
            "I like how you put that.",
            "Ha, same here!",
            "That sounds good. Tell me more.",
            "Really? I would not have guessed.",
            "You should write that down.",
        ),
    },
    "fr": {
        "open": (
            "Bonjour ! Quelle bonne surprise.",
            "Salut ! Comment va ta journée ?",
            "Coucou ! Qu’est-ce qui t’amène ?",
        ),
        "bot": ("Je suis un personnage inventé pour la démonstration : un petit programme répond pour moi.",),
        "hello": ("Salut ! Comment vas-tu ?", "Bonjour ! Ça fait plaisir de te lire.", "Coucou ! Je faisais du thé."),
        "bye": ("À bientôt !", "Porte-toi bien !", "À la prochaine !"),
        "thanks": ("Avec plaisir !", "De rien !", "C’est tout naturel."),
        "question": (
            "Bonne question. Je dirais oui, la plupart du temps.",
            "Il faut que j’y réfléchisse. Et toi ?",
            "Difficile à dire ! Dis-moi d’abord ce que tu en penses.",
            "Sans doute, s’il y a du gâteau.",
        ),
        "other": (
            "J’aime ta façon de le dire.",
            "Ah, moi aussi !",
            "Ça me plaît. Raconte !",
            "Vraiment ? Je n’aurais pas deviné.",
            "Tu devrais l’écrire quelque part.",
        ),
    },
    "ru": {
        "open": ("Привет! Здорово, что мы совпали.", "Привет! Как проходит день?", "Привет! Что привело тебя сюда?"),
        "bot": ("Меня придумали для демонстрации: за меня отвечает маленькая программа.",),
        "hello": ("Привет! Как дела?", "Привет! Приятно получить весточку.", "Привет! Я как раз завариваю чай."),
        "bye": ("До скорого!", "Береги себя!", "До следующего раза!"),
        "thanks": ("Пожалуйста!", "Не за что!", "Всегда пожалуйста."),
        "question": (
            "Хороший вопрос. Чаще всего да.",
            "Надо подумать. А ты как считаешь?",
            "Сложно сказать! Сначала скажи ты.",
            "Наверное, если будет пирог.",
        ),
        "other": (
            "Хорошо сказано.",
            "Ха, у меня так же!",
            "Звучит здорово. Расскажи ещё.",
            "Правда? Ни за что бы не угадать.",
            "Это стоит записать.",
        ),
    },
}


def language_of(text: str) -> str:
    """Return the language that a text is likeliest in."""
    if _CYRILLIC.search(text):
        return "ru"
    return "fr" if _FRENCH.search(text) else "en"


def answer(text: str, random: Random) -> str:
    """Return what to say to that."""
    about = next((about for about, pattern in _ABOUT if pattern.search(text)), "other")
    return random.choice(_SAY[language_of(text)][about])


def opening(about_oneself: str | None, random: Random) -> str:
    """Return the first words to somebody who says this of themselves."""
    return random.choice(_SAY[language_of(about_oneself or "")]["open"])
