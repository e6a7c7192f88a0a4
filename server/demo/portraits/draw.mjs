// Draws the portraits of the invented people: node draw.mjs COUNT prints one JSON object a line, {look, svg}.
// `look` says whom a portrait suits: female, male, or any. The same count gives the same portraits.
// The drawings of these styles are under CC0 1.0: Lorelei by Lisa Wischofsky, Notionists by Zoish, Open Peeps by
// Pablo Stanley; the code that puts them together is under the MIT licence.
import { createAvatar } from "@dicebear/core";
import * as lorelei from "@dicebear/lorelei";
import * as notionists from "@dicebear/notionists";
import * as openPeeps from "@dicebear/open-peeps";

const numbered = (name, ...numbers) => numbers.map((number) => `${name}${String(number).padStart(2, "0")}`);
const variants = (...numbers) => numbered("variant", ...numbers);

const grounds = ["f6d6ad", "f2c4c0", "e9c7e0", "cfc9f0", "bcd8f2", "b9e2e2", "c3e3c0", "e3e6b4", "e8dccb", "d5dbe3"];
const skins = ["ffe0c7", "f5cfae", "e8b48a", "cf9465", "a86b43", "7d4d30"];
const hairs = ["1d1512", "2f2019", "4a2f22", "6b4630", "8f5f3a", "b98548", "d9b36b", "a33b20", "6f6f78"];

const friendly = {
    lorelei: {
        backgroundColor: grounds, skinColor: skins, hairColor: hairs,
        mouth: numbered("happy", 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 18),
        earringsProbability: 0, hairAccessoriesProbability: 0, frecklesProbability: 10, glassesProbability: 20,
        translateY: 6,
    },
    notionists: {
        backgroundColor: grounds, bodyIconProbability: 30, gestureProbability: 25, glassesProbability: 25,
        gesture: ["hand", "handPhone", "ok", "point", "waveLongArm"],
    },
    openPeeps: {
        backgroundColor: grounds, headContrastColor: hairs, maskProbability: 0, accessoriesProbability: 25,
        accessories: ["glasses", "glasses2", "glasses3", "glasses4", "glasses5", "sunglasses"],
        face: [
            "awe", "calm", "cheeky", "cute", "driven", "eatingHappy", "explaining", "smile", "smileBig", "smileTeethGap",
        ],
        skinColor: skins, scale: 88, translateY: 6,  // high hair needs room above
    },
};

const suits = {
    lorelei: {
        female: {
            hair: variants(
                10, 13, 14, 15, 16, 17, 18, 19, 21, 23, 24, 26, 29, 31, 32, 33, 35, 38, 40, 41, 42, 45, 46, 48,
            ),
            beardProbability: 0, earringsProbability: 50, hairAccessoriesProbability: 15,
        },
        male: {
            hair: variants(1, 2, 3, 4, 5, 7, 8, 9, 12, 22, 25, 27, 28, 39, 43, 47),
            beard: variants(1, 2), beardProbability: 40,
        },
        any: { hair: variants(5, 6, 11, 17, 20, 30, 36, 37, 43, 44), beardProbability: 0, earringsProbability: 25 },
    },
    notionists: {
        female: {
            hair: variants(2, 8, 10, 23, 28, 36, 37, 39, 41, 45, 46, 47, 48, 57, 59, 62, 63),
            beardProbability: 0,
        },
        male: {
            hair: [
                "hat",
                ...variants(1, 5, 6, 7, 13, 15, 16, 21, 22, 25, 26, 32, 34, 35, 38, 42, 44, 49, 52, 54, 55, 60, 61),
            ],
            beardProbability: 35,
        },
        any: { hair: variants(3, 4, 11, 12, 17, 20, 29, 30, 33, 40, 43, 50, 53, 58), beardProbability: 0 },
    },
    openPeeps: {
        female: {
            head: [
                "bangs", "bangs2", "bantuKnots", "bun", "bun2", "buns", "cornrows", "cornrows2", "grayBun",
                "grayMedium", "hijab", "long", "longAfro", "longBangs", "longCurly", "medium1", "medium2", "medium3",
                "mediumBangs", "mediumBangs2", "mediumBangs3", "mediumStraight",
            ],
            facialHairProbability: 0,
        },
        male: {
            head: [
                "flatTop", "flatTopLong", "grayShort", "hatBeanie", "hatHip", "mohawk", "noHair1", "noHair2",
                "noHair3", "pomp", "shaved1", "shaved2", "short1", "short2", "short3", "short4", "short5", "turban",
            ],
            facialHair: [
                "chin", "full", "full2", "full3", "full4", "goatee1", "goatee2", "moustache2", "moustache3",
                "moustache9",
            ],
            facialHairProbability: 40,
        },
        any: {
            head: [
                "afro", "dreads1", "dreads2", "hatBeanie", "hatHip", "mohawk2", "shaved3", "short4", "twists",
                "twists2",
            ],
            facialHairProbability: 0,
        },
    },
};

const styles = { lorelei, notionists, openPeeps };
const turns = ["openPeeps", "lorelei", "openPeeps", "lorelei", "notionists"];
const looks = ["female", "male", "female", "male", "any"];

for (let number = 0; number < Number(process.argv[2] ?? 500); number++) {
    const look = looks[number % looks.length];
    const style = turns[Math.floor(number / looks.length) % turns.length];
    const options = { ...friendly[style], ...suits[style][look], seed: `portrait ${number}` };
    // The mask cuts off what the picture's edge cuts off anyway, and takes two thirds of the time to render.
    const whole = createAvatar(styles[style], options).toString();
    const svg = whole.replace(/<mask .*?<\/mask>/s, "").replace(/ mask="[^"]*"/, "");
    console.log(JSON.stringify({ look, svg }));
}
