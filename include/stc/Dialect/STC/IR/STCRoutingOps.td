// The operation that chooses experts by scores, in groups. STCOps.td includes this file; the code
// that comes of it has a header of its own (STCRouting.h), which few files read.
#ifndef STC_DIALECT_STC_IR_STCROUTINGOPS_TD
#define STC_DIALECT_STC_IR_STCROUTINGOPS_TD

def STC_GroupedGateOp : STC_PureOp<"grouped_gate"> {
  let summary = "The weights of experts that are chosen by their scores, within the best groups.";
  let description = [{
    The columns of `scores`, a token's affinities to experts, are `groups` parts of equal size. What
    is chosen by is c = scores + `correction` (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report",
    section 2.1.2: it balances the load), or the scores themselves. A group is worth the sum of its
    `best` largest c; the `kept` groups that are worth the most stay, and of their experts the `k`
    with the largest c are chosen (the lower index where values are equal).

    The result has `scale` times the score of every chosen expert, without its correction, and 0 for
    the others. With `normalized` the scores that are chosen are divided by their sum first.

    (C1) `k` is from 1 to the number of experts in the groups that stay. (C2) `groups` divides the
    columns, and `kept` is from 1 to `groups`. (C3) `best` is from 1 to the size of a group.
    (C4) `correction` has one number per column. (C5) `scale` is finite and above 0.

    ```mlir
    %g = stc.grouped_gate normalized %s correction %b k 2 groups 4 kept 2 best 2 scale 2.5
        : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$scores, Optional<STC_Vector>:$correction, I64Attr:$k,
                       I64Attr:$groups, I64Attr:$kept, I64Attr:$best, F64Attr:$scale,
                       UnitAttr:$normalized);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    (`normalized` $normalized^)? $scores (`correction` $correction^)? `k` $k `groups` $groups
    `kept` $kept `best` $best `scale` $scale attr-dict `:` functional-type(operands, results)
  }];
}

#endif // STC_DIALECT_STC_IR_STCROUTINGOPS_TD
