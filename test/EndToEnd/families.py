"""Every decoder family that tests know."""
from alibi_families import Bloom, SixHeadBloom, Mpt, FalconRW
from code_families import StarCoder2, Phi3, ShortPhi3, Phi
from fused_families import BigCode, Exaone, Glm, Glm4, InternLm2, LinearExaone
from gpt_families import (Gpt2, PrefixedGpt2, GptJ, CodeGen, GptNeoX, SequentialGptNeoX, Falcon,
                          LargeFalcon)
from llama_families import (Llama, LinearLlama, DynamicLlama, Llama3, YarnLlama, SmolLM3, Qwen3,
                            Gemma, Gemma2, Gemma3, MultimodalGemma3, Olmo2, Granite, Cohere, Cohere2)
from norm_families import (ClippedMpt, CoherePlus, Nemotron, OldOpt, Olmo, Opt, StableLm, StableLm2,
                           TiedOlmo)
from latent_families import (BailingMoe, DeepSeekV2, DeepSeekV2Lite, DeepSeekV3, Dots1, Ernie45Moe,
                             Glm45Air, Glm4Moe, KimiK2, Moonlight, NewDeepSeekV3)
from recent_families import (Arcee, BiasedErnie45, Ernie45, Exaone4, GraniteMoe, Helium,
                             HunyuanDense, ListedOlmo3, MiniCpm, Olmo3, SeedOss, SmallExaone4)

LLAMA = [Llama, LinearLlama, DynamicLlama, Llama3, YarnLlama, SmolLM3, Qwen3, Gemma, Gemma2, Gemma3,
         MultimodalGemma3, Olmo2, Granite, Cohere, Cohere2]
GPT = [StarCoder2, Phi3, ShortPhi3, Phi, Gpt2, PrefixedGpt2, GptJ, GptNeoX, SequentialGptNeoX,
       Falcon, LargeFalcon, Bloom, SixHeadBloom, Mpt, FalconRW, CodeGen]
NORM = [CoherePlus, Olmo, TiedOlmo, ClippedMpt, StableLm, StableLm2, Nemotron, Opt, OldOpt, Glm,
        Glm4, InternLm2, Exaone, LinearExaone, BigCode]
RECENT = [Olmo3, ListedOlmo3, Exaone4, SmallExaone4, Ernie45, BiasedErnie45, Helium, SeedOss, Arcee,
          GraniteMoe, MiniCpm, HunyuanDense]
LATENT = [DeepSeekV3, NewDeepSeekV3, Moonlight, KimiK2, DeepSeekV2, DeepSeekV2Lite, Dots1, Glm4Moe,
          Glm45Air, Ernie45Moe, BailingMoe]
FAMILIES = LLAMA + GPT + NORM + RECENT + LATENT
