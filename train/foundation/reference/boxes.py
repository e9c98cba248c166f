"""Boxes of a prompt by GroundingDINO's graph, through Hugging Face's own processors."""

import numpy as np
import torch
import torchvision
from transformers import GroundingDinoImageProcessorPil, GroundingDinoProcessor
from transformers.models.grounding_dino.modeling_grounding_dino import (
    GroundingDinoObjectDetectionOutput,
    generate_masks_with_special_tokens_and_transfer_map,
)

STOPS = torch.tensor([101, 102, 1012, 1029])


class Detector:
    def __init__(self, model, tokenizer, size):
        height, width = size
        images = GroundingDinoImageProcessorPil(
            size={"max_height": height, "max_width": width}, pad_size={"height": height, "width": width}
        )
        self.model = model
        self.tokenizer = tokenizer
        self.processor = GroundingDinoProcessor(images, tokenizer)
        self.original = "img" in [i.name for i in model.session.get_inputs()]

    def prompt(self, tags):
        """The text, its tokens, and what the network makes of the stops between phrases."""
        text = ". ".join(tags) + "."
        ids = self.tokenizer(text)["input_ids"]
        seen, positions = generate_masks_with_special_tokens_and_transfer_map(torch.tensor([ids]), STOPS)
        return {
            "text": text,
            "input_ids": ids,
            "tokens": self.tokenizer.convert_ids_to_tokens(ids),
            "position_ids": positions[0].tolist(),
            "text_token_mask": ["".join("01"[bit] for bit in row) for row in seen[0].int().tolist()],
            "spans": self.spans(tags, ids),
        }

    def spans(self, tags, ids):
        """First token and the one past the last of each tag."""
        spans, place = [], 1
        for tag in tags:
            length = len(self.tokenizer(tag, add_special_tokens=False)["input_ids"])
            spans.append([place, place + length])
            place += length + 1
        assert place == len(ids) - 1
        return spans

    def raw(self, picture, prompt):
        """Logits `[Q, 256]` and boxes `[Q, 4]` of centre and size as shares of the image."""
        given = self.processor(images=picture, text=prompt["text"], return_tensors="np")
        assert given["input_ids"][0].tolist() == prompt["input_ids"]
        if not self.original:
            inputs = {
                name: given[name].astype(np.int64)
                for name in ("pixel_mask", "input_ids", "token_type_ids", "attention_mask")
            }
            found = self.model(pixel_values=given["pixel_values"].astype(np.float32), **inputs)
            return given, found["logits"][0], found["pred_boxes"][0]
        seen = np.array([[bit == "1" for bit in row] for row in prompt["text_token_mask"]])
        found = self.model(
            img=given["pixel_values"].astype(np.float32),
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"].astype(bool),
            position_ids=np.array([prompt["position_ids"]]),
            token_type_ids=given["token_type_ids"],
            text_token_mask=seen[None],
        )
        return given, found["logits"][0], found["boxes"][0]

    def boxes(self, picture, prompt, tags, logits, shares, settings):
        """Boxes over the threshold, in the order of the queries, with what became of each."""
        output = GroundingDinoObjectDetectionOutput(
            logits=torch.tensor(logits)[None], pred_boxes=torch.tensor(shares)[None]
        )
        [library] = self.processor.post_process_grounded_object_detection(
            output,
            torch.tensor([prompt["input_ids"]]),
            threshold=settings["box_threshold"],
            text_threshold=settings["text_threshold"],
            target_sizes=[picture.size[::-1]],
        )
        probabilities = torch.tensor(logits).sigmoid().numpy()
        queries = np.flatnonzero(probabilities.max(1) > settings["box_threshold"])
        records = []
        for at, query in enumerate(queries):
            best = [float(probabilities[query, a:b].max()) for a, b in prompt["spans"]]
            tag = int(np.argmax(best))
            found = best[tag] > settings["text_threshold"]
            records.append(
                {
                    "query": int(query),
                    "score": round(float(library["scores"][at]), 6),
                    "box": [round(float(v), 3) for v in library["boxes"][at]],
                    "phrase": library["text_labels"][at],
                    "tag": tags[tag] if found else None,
                    "tag_score": round(best[tag], 6),
                    "dropped": None if found else "no tag",
                }
            )
        tagged = [record for record in records if record["dropped"] is None]
        corners = torch.tensor([record["box"] for record in tagged]).reshape(-1, 4)
        scores = torch.tensor([record["score"] for record in tagged])
        kept = set(torchvision.ops.nms(corners, scores, settings["box_nms_iou"]).tolist())
        for at, record in enumerate(tagged):
            if at not in kept:
                record["dropped"] = "overlaps a better box"
        return records
