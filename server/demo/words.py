"""What invented people like and say: interests, most common first, and sentences in three languages."""

from typing import Final

INTERESTS: Final = tuple(
    """
    music travel cooking reading movies coffee hiking photography dogs football cats tea fitness dancing gaming
    books running cycling yoga swimming nature art wine theatre baking concerts gardening camping series guitar
    chess skiing museums languages tennis singing painting history beer board-games climbing piano beach basketball
    volunteering drawing science writing astronomy psychology jazz rock poetry mountains podcasts fashion design
    architecture surfing snowboarding volleyball badminton table-tennis martial-arts boxing meditation pilates
    picnics brunch street-food pizza sushi pasta cheese chocolate cakes vegetarian vegan barbecue cocktails whisky
    karaoke festivals opera ballet circus comedy stand-up improv documentaries anime manga comics science-fiction
    fantasy crime-novels classics philosophy politics economics startups programming robots electronics linux
    open-source cryptography mathematics physics chemistry biology medicine law journalism radio vinyl hip-hop
    techno house classical folk blues metal punk indie soul funk reggae salsa tango swing ballroom drums violin
    cello saxophone trumpet ukulele choir composing djing sewing knitting crochet embroidery pottery woodworking
    origami calligraphy sculpture graffiti tattoos make-up antiques flea-markets second-hand interior-design
    urban-sketching street-photography film-cameras video-editing drones model-trains puzzles crosswords sudoku go
    poker backgammon escape-rooms quiz-nights pub-quizzes role-playing miniatures card-games retro-games
    speedrunning e-sports virtual-reality sailing kayaking canoeing rowing diving snorkelling windsurfing
    kitesurfing fishing ice-skating hockey sledding cross-country-skiing orienteering trail-running marathons
    triathlon bouldering via-ferrata caving paragliding skydiving ballooning horse-riding polo golf rugby handball
    baseball cricket softball lacrosse frisbee darts bowling billiards petanque archery fencing judo karate aikido
    capoeira wrestling gymnastics parkour skateboarding roller-skating bmx motorcycles cars trains planes road-trips
    backpacking hitchhiking city-breaks islands deserts lighthouses castles ruins bird-watching butterflies
    mushrooms herbs beekeeping aquariums parrots rabbits hamsters goats bonsai orchids cacti balcony-gardens
    permaculture recycling zero-waste climate sauna spa hammocks stargazing thunderstorms autumn winter summer rain
    sunrises night-walks long-walks small-talk deep-talks letters postcards stamps coins maps globes genealogy
    archaeology mythology folklore tarot astrology dreams magic-tricks juggling puppets kites lego gadgets
    smart-homes 3d-printing home-brewing sourdough fermenting pickles jam ice-cream breakfast spices ramen tacos
    curry dumplings tapas oysters farmers-markets food-trucks picnicking family nieces-and-nephews grandparents
    neighbours community mentoring teaching learning-to-draw sign-language esperanto latin french italian japanese
    korean-series telenovelas westerns musicals silent-films short-stories haiku diaries libraries bookshops
    lullabies naps doing-nothing
    """.split()
)
"""In the order of how many like them."""

SENTENCES: Final = {
    "en": (
        "I laugh easily and listen well.",
        "New in town, and curious about every corner of it.",
        "Weekends are for long breakfasts and longer walks.",
        "I would rather cook for friends than go out.",
        "Ask me about the last book that kept me awake.",
        "I can be talked into almost any trip.",
        "Half of my flat is plants.",
        "I collect bad jokes and good records.",
        "Early bird, sorry.",
        "Night owl, and not sorry at all.",
        "I fix bicycles and worry about the planet.",
        "My neighbours know me by my singing.",
        "Looking for somebody to lose board games to.",
        "I work with numbers and dream of boats.",
        "Two left feet, but I dance.",
        "I write letters, real ones, with stamps.",
        "My dog chooses the route.",
        "I have opinions on coffee.",
        "Happy with little, excited by much.",
        "There is always room for one more at my table.",
        "I take too many pictures of clouds.",
        "Trains over planes.",
        "I am learning a language for no good reason.",
        "Show me your favourite place in this city.",
        "I say what I mean, mostly kindly.",
        "Rain does not keep me in.",
        "I still believe in picnics.",
        "Good with children, cats and spreadsheets.",
        "Let us skip the small talk, or do it really well.",
        "I am better in person than in writing.",
    ),
    "fr": (
        "Je ris facilement et j’écoute volontiers.",
        "Le dimanche, c’est marché puis longue promenade.",
        "Je cuisine mieux que je ne danse, mais je danse.",
        "La moitié de mon appartement appartient aux plantes.",
        "Un train, une ville inconnue : j’arrive.",
        "Je collectionne les mauvaises blagues.",
        "Parle-moi du dernier film qui t’a fait pleurer.",
        "Je me lève tôt, pardon d’avance.",
        "J’ai un avis sur le fromage.",
        "Mon chien choisit le chemin.",
        "Il y a toujours une chaise de plus à ma table.",
        "J’écris encore des cartes postales.",
        "Je préfère la pluie à l’ennui.",
        "Un livre dans le sac, quoi qu’il arrive.",
        "Je perds aux échecs avec le sourire.",
        "Montre-moi ton coin préféré de la ville.",
        "Je dis ce que je pense, gentiment le plus souvent.",
        "Plutôt montagne, mais la mer me va aussi.",
    ),
    "ru": (
        "Легко смеюсь и умею слушать.",
        "В выходные люблю долгие завтраки и ещё более долгие прогулки.",
        "Готовлю лучше, чем танцую, но танцую тоже.",
        "Половину квартиры занимают растения.",
        "Меня легко уговорить на любую поездку.",
        "Коллекционирую плохие шутки и хорошие пластинки.",
        "Расскажи о последней книге, от которой нельзя было оторваться.",
        "Жаворонок, заранее прошу прощения.",
        "Пишу настоящие письма, с марками.",
        "Маршрут выбирает собака.",
        "За моим столом всегда найдётся ещё одно место.",
        "Учу новый язык просто так.",
        "Дождь не повод сидеть дома.",
        "Покажи мне своё любимое место в городе.",
        "Говорю, что думаю, но по-доброму.",
        "Проигрываю в шахматы с улыбкой.",
        "Поезда люблю больше самолётов.",
        "В жизни интереснее, чем в переписке.",
    ),
}

INVENTED: Final = {
    "en": "(I am an invented person, part of the demo.)",
    "fr": "(Je suis un personnage inventé pour la démonstration.)",
    "ru": "(Меня придумали для демонстрации.)",
}
"""The end of every description: nobody is to take these people for real ones."""
