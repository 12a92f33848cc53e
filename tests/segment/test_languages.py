"""Where sentences end, in the languages of many scripts; every example is cut as a reader would."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chunkwise.recipe import build
from chunkwise.segment.grapheme import whole
from chunkwise.segment.prose import sentence_ends
from chunkwise.tokens import tokenizer
from chunkwise.units import Document

SENTENCES = {
    "de": [
        "Der Preis gilt z. B. für Gäste, d. h. nur am Abend. ",
        "Herr Dr. Meier kam am 3. Oktober um ca. 8 Uhr an. ",
        "„Stimmt das?“ fragte sie. ",
        "Ja! ",
        "Siehe S. 12 ff. im Anhang, bzw. Nr. 4.",
    ],
    "fr": [
        "M. Dupont habite av. Foch depuis 1990. ",
        "« Est-ce vrai ? » demanda-t-elle. ",
        "Oui, bien sûr ! ",
        "Voir p. 12, etc.",
    ],
    "es": [
        "El Sr. López y la Sra. Ruiz viven en la Avda. Mayor. ",
        "¿De verdad? ",
        "¡Claro que sí! ",
        "Véase la pág. 12 del libro.",
    ],
    "it": ["Il sig. Rossi e il dott. Bianchi arrivano domani. ", "È vero? ", "Certo!"],
    "pt": ["O Sr. Silva mora na Av. Central. ", "É verdade? ", "Claro que sim!"],
    "nl": ["Dhr. Jansen woont bijv. in Gent. ", "Is dat zo? ", "Zeker, d.w.z. bijna zeker."],
    "ru": [
        "Он жил на ул. Ленина, т. е. в центре, и т. д. и т. п. до конца. ",
        "«Правда?» спросила она. ",
        "Проф. А. Б. Иванов ответил. ",
        "Да!",
    ],
    "el": ["Ο κ. Παπάς ήρθε χθες. ", "Είναι αλήθεια; ", "Ναι, π.χ. το βράδυ. ", "Τέλος."],
    "zh": ["他说：“今天很好。”", "然后离开了。", "真的吗？", "当然！"],
    "ja": ["「本当ですか。」", "彼は笑った。", "はい！", "次の日、雨が降った。"],
    "ko": ["그는 어제 왔다. ", "정말입니까? ", "네, 그렇습니다! ", "끝이다."],
    "ar": ["هل هذا صحيح؟ ", "نعم، هذا صحيح. ", "وصل د. أحمد أمس. ", "انتهى!"],
    "fa": ["آیا درست است؟ ", "بله، درست است. ", "پایان."],
    "ur": ["یہ پہلا جملہ ہے۔ ", "کیا یہ دوسرا ہے؟ ", "ہاں۔"],
    "hi": ["यह पहला वाक्य है। ", "क्या यह सच है? ", "डॉ. शर्मा कल आए। ", "हाँ!"],
    "bn": ["এটি প্রথম বাক্য। ", "এটা কি সত্যি? ", "হ্যাঁ।"],
    "he": ["ד״ר כהן הגיע אתמול. ", "האם זה נכון? ", "כן!"],
    "tr": ["Dr. Yılmaz dün geldi. ", "Doğru mu? ", "Evet, vb. şeyler."],
    "pl": ["Pan dr. Kowalski mieszka przy ul. Długiej, tj. w centrum. ", "Czy to prawda? ", "Tak, np. dzisiaj."],
    "hy": ["Սա առաջինն է։ ", "Սա երկրորդն է։"],
    "am": ["ይህ የመጀመሪያው ነው። ", "ይህ ሁለተኛው ነው።"],
    "my": ["ဒါက ပထမ။ ", "ဒါက ဒုတိယ။"],
    "km": ["នេះជាប្រយោគទីមួយ។ ", "នេះជាប្រយោគទីពីរ។"],
    "bo": ["བོད་ཡིག་དང་པོ། ", "གཉིས་པ།"],
    "sv": ["Hr. Berg kom t.ex. i går. ", "Är det sant? ", "Ja, bl.a. därför."],
    "cs": ["Pan Ing. Novák bydlí v ul. Dlouhá č. 5, tj. blízko. ", "Je to pravda? ", "Ano, např. dnes."],
    "uk": ["Він жив на вул. Зеленій, тобто в центрі. ", "Це правда? ", "Так!"],
    "vi": ["Ông TS. Nguyễn đến hôm qua. ", "Có thật không? ", "Có!"],
    "en": [
        "Mr. Smith, e.g. the baker, paid $3.50 at 9 a.m. on Mon. ",
        '"Really?" she asked. ',
        "Yes! ",
        "See no. 4 etc.",
    ],
}
THAI = "ภาษาไทยไม่มีจุดจบประโยค แต่เว้นวรรคระหว่างประโยค และเว้นวรรคระหว่างอนุประโยคด้วย " * 30


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_end_where_a_reader_ends_them(language: str) -> None:
    text = "".join(SENTENCES[language])
    ends = sorted({0, *sentence_ends(text).tolist(), len(text)})
    assert [text[a:b] for a, b in pairwise(ends)] == SENTENCES[language]


@pytest.mark.parametrize(
    "text", [THAI, "ພາສາລາວບໍ່ມີຈຸດ ແຕ່ມີຍະຫວ່າງ " * 60, "이것은 문장입니다 그리고 " * 60, "हिन्दी में शब्द " * 90]
)
@pytest.mark.parametrize("spec", ["sentence", "recursive:size=40", "fixed:size=7"])
def test_a_text_without_marks_is_cut_between_characters_as_read(text: str, spec: str) -> None:
    spans = build(spec, "segment")(Document.of(text), tokenizer().offsets(text))
    assert len(spans) > 1
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(whole(text, end, start) == end for start, end in spans)


def test_thai_is_cut_at_its_blanks() -> None:
    for spec in ("sentence", "recursive:size=100"):
        spans = build(spec, "segment")(Document.of(THAI), tokenizer().offsets(THAI))
        assert all(" " in (THAI[end - 1], THAI[end]) for _, end in spans[:-1])
