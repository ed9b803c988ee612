"""Every decoder family that tests know."""
from alibi_families import Bloom, SixHeadBloom, Mpt, FalconRW
from code_families import StarCoder2, Phi3, ShortPhi3, Phi
from gpt_families import Gpt2, PrefixedGpt2, GptJ, GptNeoX, SequentialGptNeoX, Falcon, LargeFalcon
from llama_families import (Llama, LinearLlama, DynamicLlama, Llama3, YarnLlama, SmolLM3, Qwen3,
                            Gemma, Gemma2, Gemma3, MultimodalGemma3, Olmo2, Granite, Cohere, Cohere2)

FAMILIES = [Llama, LinearLlama, DynamicLlama, Llama3, YarnLlama, SmolLM3, Qwen3, Gemma, Gemma2,
            Gemma3, MultimodalGemma3, Olmo2, Granite, Cohere, Cohere2, StarCoder2, Phi3, ShortPhi3,
            Phi, Gpt2, PrefixedGpt2, GptJ, GptNeoX, SequentialGptNeoX, Falcon, LargeFalcon,
            Bloom, SixHeadBloom, Mpt, FalconRW]
