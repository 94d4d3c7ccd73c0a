"""Writes costs.bin: into how many tokens Mistral's and Google's vocabularies cut each token of o200k_base, a byte for each.

Low half: Tekken, from mistral-common 1.13.1 (tekken_240911.json). High half: Gemma 3, from the metadata of any GGUF file of it.
15 = as many as there are bytes, or fewer. Needs mistral-common, gguf, sentencepiece and protobuf:

    python3 bench/costs.py gemma-3.gguf vocabulary.bin costs.bin

where vocabulary.bin is src/tokenizer/o200k_base.br without its brotli. Then `node bench/vocabulary.ts costs.bin`.
"""
import base64
import json
import os
import struct
import sys

import gguf
import mistral_common
import sentencepiece
import tiktoken
from sentencepiece import sentencepiece_model_pb2 as pb


def vocabulary(path):
    with open(path, "rb") as file:
        raw = file.read()
    size = struct.unpack("<I", raw[:4])[0]
    at = 4 + size
    for length in raw[4:at]:
        yield raw[at : at + length]
        at += length


def tekken():
    path = os.path.join(os.path.dirname(mistral_common.__file__), "data", "tekken_240911.json")
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    config = data["config"]
    size = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(v["token_bytes"]): v["rank"] for v in data["vocab"] if v["rank"] < size}
    return tiktoken.Encoding("tekken", pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={})


def gemma(path):
    fields = gguf.GGUFReader(path).fields

    def column(name):
        field = fields["tokenizer.ggml." + name]
        return [field.parts[i] for i in field.data]

    model = pb.ModelProto()
    for token, score, kind in zip(column("tokens"), column("scores"), column("token_type")):
        model.pieces.add(piece=bytes(token).decode(), score=float(score[0]), type=int(kind[0]))
    spec = model.trainer_spec
    spec.model_type, spec.byte_fallback, spec.vocab_size = 2, True, len(model.pieces)
    spec.pad_id, spec.eos_id, spec.bos_id, spec.unk_id = 0, 1, 2, 3
    normal = model.normalizer_spec
    normal.name, normal.add_dummy_prefix = "identity", False
    normal.remove_extra_whitespaces, normal.escape_whitespaces = False, True
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def main(gguf_path, vocabulary_path, costs_path):
    own, other = tekken(), gemma(gguf_path)
    costs = bytearray()
    for token in vocabulary(vocabulary_path):
        try:
            text = token.decode()
            low, high = len(own.encode(text)), len(other.encode(text))
        except UnicodeDecodeError:
            # part of a character: bytes there, too
            low, high = len(own._encode_single_piece(token)), len(token)
        costs.append(min(low, 15) | min(high, 15) << 4)
    with open(costs_path, "wb") as file:
        file.write(costs)


main(*sys.argv[1:4])
